"""`evalkit judge`, through the command line on stored runs."""

from __future__ import annotations

import csv
import json
from functools import partial

import pytest
from judged import judge_said, rejudge
from stored import store_run

CASES = [f"c{i:03}" for i in range(120)]
TRUTH = {case: i % 4 != 0 for i, case in enumerate(CASES)}
LENIENT = {case: TRUTH[case] or i % 8 == 0 for i, case in enumerate(CASES)}
STRICT = {case: TRUTH[case] and i % 3 != 0 for i, case in enumerate(CASES)}


@pytest.fixture
def judge(in_process):
    return partial(in_process, "judge", width=200)


@pytest.fixture
def stored(tmp_path):
    def store(verdicts, *change, **more):
        return rejudge(store_run(tmp_path / "run", verdicts, **more), *change)

    return store


def write(folder, cases, name="labels.csv", model="m"):
    path = folder / name
    path.write_text("case_id,model,label\n" + "".join(f"{case},{model},{int(TRUTH[case])}\n" for case in cases))
    return path


def test_a_lenient_judge_is_called_that(judge, stored, tmp_path):
    shown = judge(stored({"m": LENIENT}), "--labels", write(tmp_path, CASES[:60]))
    assert "60 answers labelled." in shown
    assert "judge is lenient: it passes more answers than people do, by +13.3 points (" in shown
    assert "Same verdict as people: 52/60 (86.7 %), kappa 0.57 (" in shown
    assert "it passes 8 that people fail and fails 0 that people pass" in shown
    assert "m: the scorer passes 105/120 (87.5 %); corrected pass rate by 60 labels 74.3 % (" in shown
    assert "halve that interval" in shown
    assert "drawn at random" in shown


def test_a_strict_judge_is_called_that_and_a_fair_one_neither(judge, stored, tmp_path):
    labels = write(tmp_path, CASES[:60])
    assert "judge is strict: it passes fewer answers than people do, by -25.0 points (" in judge(
        stored({"m": STRICT}), "--labels", labels
    )
    fair = judge(stored({"m": TRUTH}), "--labels", labels)
    assert "judge cannot be told to be lenient or strict by 60 labels: 0.0 points (" in fair


def test_a_narrow_terminal_shows_all_the_words(judge, stored, tmp_path):
    shown = judge(stored({"m": LENIENT}), "--labels", write(tmp_path, CASES[:60]), width=40)
    assert max(map(len, shown.splitlines())) <= 40
    assert "corrected pass rate by 60 labels 74.3 %" in " ".join(shown.split())


def test_the_figures_as_json(judge, stored, tmp_path):
    run = stored({"m": LENIENT, "n": LENIENT})
    figures = json.loads(judge(run, "--labels", write(tmp_path, CASES[:60]), "--json"))
    assert figures["labelled"] == 60
    assert figures["people_kappa"] is None
    (scorer,) = figures["scorers"]
    m, n = scorer["candidates"]
    assert scorer["agreement"]["confusion"] == {"pass_pass": 45, "pass_fail": 8, "fail_pass": 0, "fail_fail": 7}
    assert scorer["agreement"]["kappa"]["n"] == 60
    low, high = m["corrected_interval"]
    assert low < 0.74 < m["corrected_rate"] == pytest.approx(0.875 * 45 / 53)
    assert high > m["corrected_rate"]
    assert (n["judged"], n["agreement"], n["corrected_rate"], n["labels_to_halve"]) == (120, None, None, None)


def test_the_document(judge, stored, tmp_path):
    out = tmp_path / "judge.md"
    judge(stored({"m": LENIENT, "n|n": LENIENT}), "--labels", write(tmp_path, CASES[:60]), "-o", out)
    text = out.read_text()
    assert text.startswith("# tiny: scorers against people\n\n60 answers labelled.\n\n## judge\n\n- judge is lenient")
    assert "n&#124;n: the scorer passes 105/120 (87.5 %); none of its answers is labelled." in text
    row = next(line for line in text.splitlines() if line.startswith("| m "))
    assert [cell.strip() for cell in row.split("|")][2:5] == ["105/120 (87.5 %)", "60", "75.0 %"]
    assert "## What this assumes" in text


def test_the_way_from_a_template_to_a_corrected_rate(judge, stored, tmp_path):
    fields = {("m", case): {"output": f"answer to {case}, with a comma\nand a line"} for case in CASES}
    run = stored({"m": LENIENT, "n": STRICT}, fields=fields)
    sheet = tmp_path / "sheet.csv"
    shown = judge(run, "--template", sheet, "--sample", 40, "--seed", 3)
    assert "80 answers, drawn at random with seed 3" in shown
    assert f"evalkit judge {run} --labels {sheet}" in shown
    assert "none of its 80 rows has a label yet" in judge(run, "--labels", sheet, code=2)
    with sheet.open(newline="") as file:
        rows = list(csv.DictReader(file))
    # Whoever labels knows neither the model nor what the judge said.
    assert list(rows[0]) == ["call_id", "case_id", "label", "annotator", "input", "expected", "output"]
    assert {row["output"] for row in rows} >= {f"answer to {rows_of(rows)}, with a comma\nand a line"}
    for row in rows:
        row["label"] = "pass" if TRUTH[row["case_id"]] else "fail"
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    candidates = json.loads(judge(run, "--labels", sheet, "--json"))["scorers"][0]["candidates"]
    for one in candidates:
        assert one["agreement"]["labels"] == 40
        assert one["corrected_interval"][0] < 0.75 < one["corrected_interval"][1]
        assert one["labels_like_random"]
    assert "is there already" in judge(run, "--template", sheet, code=2)


def rows_of(rows):
    return next(row["case_id"] for row in rows if row["output"].startswith("answer"))


def test_a_template_is_a_csv_file_of_judged_answers(judge, stored, tmp_path):
    run = stored({"m": LENIENT})
    assert "is a .csv file" in judge(run, "--template", tmp_path / "sheet.txt", code=2)
    assert "unknown scorer" in judge(run, "--template", tmp_path / "sheet.csv", "--scorer", "x", code=2)
    assert not (tmp_path / "sheet.csv").exists()


def test_answers_of_one_candidate(judge, stored, tmp_path):
    run = stored({"m": LENIENT, "n": STRICT})
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(json.dumps({"case_id": case, "label": TRUTH[case]}) + "\n" for case in CASES[:50]))
    assert "say which one: add the columns model" in judge(run, "--labels", labels, code=2)
    shown = judge(run, "--labels", labels, "--model", "n")
    assert "is strict" in shown
    assert "\nm " not in shown
    assert "unknown model" in judge(run, "--labels", labels, "-m", "o", code=2)
    assert "unknown prompt" in judge(run, "--labels", labels, "-p", "q", code=2)


def test_graded_labels_and_several_people(judge, stored, tmp_path):
    labels = tmp_path / "labels.csv"
    rows = [f"{case},{who},{0.8 if TRUTH[case] else 0.3}" for case in CASES[:30] for who in ("ann", "bob", "eve")]
    labels.write_text("\n".join(["case_id,annotator,label", *rows, "c050,ann,0.9", "c050,bob,0.1", "c051,ann,"]))
    run = stored({"m": LENIENT})
    assert "--threshold" in judge(run, "--labels", labels, code=2)
    shown = judge(run, "--labels", labels, "--threshold", 0.5)
    assert "31 answers labelled by 3 people. Left out: 1 answer on which as many said pass as fail; 1 row" in shown
    assert "Among themselves people agree with a kappa of 0.9" in shown


def test_labels_that_are_no_random_sample_are_pointed_out(judge, stored, tmp_path):
    cases = sorted(CASES, key=lambda case: LENIENT[case])[:30]
    shown = judge(stored({"m": LENIENT}), "--labels", write(tmp_path, cases))
    assert "do not look drawn at random: the scorer passes 15/30 (50.0 %) of them, but 87.5 % of all" in shown


def test_few_labels_and_answers_without_a_verdict(judge, stored, tmp_path):
    run = stored({"m": LENIENT | {"c001": "timeout"}})
    shown = judge(run, "--labels", write(tmp_path, CASES[:5]))
    assert "4 labels of its answers cannot correct that, it takes 10 or more" in shown
    assert "Left out: 1 labelled answer without a verdict of this scorer." in shown
    alone = judge(run, "--labels", write(tmp_path, ["c001"]), "-o", tmp_path / "o.md")
    assert "judge: none of the labelled answers has a verdict of this scorer." in alone
    assert "people say pass" not in (tmp_path / "o.md").read_text()


def test_how_many_labels_would_halve_the_interval(judge, stored, tmp_path):
    run = stored({"m": LENIENT})
    assert "more labels alone would not halve that interval" in judge(run, "--labels", write(tmp_path, CASES[:60]))
    few = json.loads(judge(run, "--labels", write(tmp_path, CASES[:12]), "--json"))["scorers"][0]["candidates"][0]
    needed = few["labels_to_halve"]
    assert 12 < needed <= 120
    assert f"about {needed} labels in all would halve" in judge(run, "--labels", write(tmp_path, CASES[:12]))
    low, high = few["corrected_interval"]
    more = json.loads(judge(run, "--labels", write(tmp_path, CASES[:needed]), "--json"))["scorers"][0]["candidates"][0]
    halved = more["corrected_interval"][1] - more["corrected_interval"][0]
    assert halved == pytest.approx((high - low) / 2, rel=0.2)


def test_where_all_pass_with_everyone_kappa_is_unknown(judge, stored, tmp_path):
    run, out = stored({"m": dict.fromkeys(CASES, True)}), tmp_path / "o.md"
    good = [case for case in CASES if TRUTH[case]][:40]
    assert "Same verdict as people: 40/40 (100 %), kappa n/a;" in judge(
        run, "--labels", write(tmp_path, good), "-o", out
    )
    assert out.read_text().count("n/a") >= 2


def test_another_scorer_and_the_order_of_texts(judge, stored, tmp_path):
    def change(verdict):
        pairs = [{"model": "j", "value": 1.0, "consistent": verdict["passed"], "favours": None}]
        return [verdict, {**verdict, "scorer": "better", "details": {"pairs": pairs}}]

    run, labels = stored({"m": LENIENT}, change), write(tmp_path, CASES[:60])
    shown = judge(run, "--labels", labels, "-o", tmp_path / "o.md")
    assert "better is lenient" in shown
    assert "exact is" not in shown
    assert "15/120 (12.5 %)" in shown
    assert "## Order of two texts" in (tmp_path / "o.md").read_text()
    assert "exact is lenient" in judge(run, "--labels", labels, "--scorer", "exact")


@pytest.mark.parametrize("arguments", [[], ["--labels", "a.csv", "--template", "b.csv"]])
def test_it_takes_labels_or_a_template(judge, stored, arguments):
    assert "--template" in judge(stored({"m": LENIENT}), *arguments, code=2)


def test_wrong_ids_and_missing_files_are_errors_with_their_place(judge, stored, tmp_path):
    run = stored({"m": LENIENT})
    labels = tmp_path / "labels.csv"
    labels.write_text("case_id,label\nc001,1\nc1,1\n")
    assert "labels.csv:3: unknown case_id" in judge(run, "--labels", labels, code=2)
    assert "no such file" in judge(run, "--labels", tmp_path / "none.csv", code=2)
    assert "no run 'nowhere'" in judge("nowhere", "--labels", labels, code=2)


def test_a_missing_column_is_said_once(judge, stored, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("case_id;verdict\nc001;1\nc002;1\n")
    said = judge(stored({"m": LENIENT}), "--labels", labels, code=2)
    assert said.count("there is no column `label`") == 1


def test_nothing_of_a_file_reaches_the_terminal_as_a_control_sequence(judge, stored, tmp_path):
    run = stored({"m": LENIENT}, lambda verdict: [judge_said(verdict, "ju\x1b[31mdge")])
    assert "\x1b[31m" not in judge(run, "--labels", write(tmp_path, CASES[:60]))
