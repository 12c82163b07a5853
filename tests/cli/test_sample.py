"""`evalkit sample`: from many inputs to a case file or a suite."""

import csv
import json
import re
import sys

import pytest

from evalkit.suite.casefiles import csv_rows, jsonl_rows

_TOPICS = ("parcel", "invoice", "password", "lamp", "refund", "coupon", "hub", "voucher", "ticket", "app")
_ASKS = ("Where is my {} from last week?", "I want to cancel the {}", "{} broken, what now", "Who sells a blue {}?")


@pytest.fixture
def logs(tmp_path):
    path = tmp_path / "logs.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["message", "team", "at", "answer"])
        for number, text in enumerate(ask.format(topic) for ask in _ASKS for topic in _TOPICS):
            stamp = f"2026-0{1 + number % 4}-10T12:00:00Z"
            table.writerow([text, ("web", "app")[number % 2], stamp, f"Answer {number}"])
            table.writerow([text.upper() + "!", "web", stamp, "again"])
        for name in ("jo@example.com", "al@example.com", "jo@example.com"):
            table.writerow([f"My new address is {name}, call +1 202 555 0143", "web", "", "ok"])
    return path


def _rows(path):
    return [row.data for row in (csv_rows if path.suffix == ".csv" else jsonl_rows)(path)]


def test_a_case_file_of_different_inputs_is_written(in_process, logs, tmp_path) -> None:
    out = in_process("sample", logs, "-n", 12, "-o", "cases.jsonl", "--tags", "team", "--time", "at", width=140)
    cases = _rows(tmp_path / "cases.jsonl")
    assert len(cases) == len({case["vars"]["message"].lower().rstrip("!") for case in cases}) == 12
    assert all(set(case) == {"id", "vars", "tags"} and set(case["vars"]) == {"message"} for case in cases)
    assert all(set(case["tags"]) <= {"web", "app"} for case in cases)
    for words in ("12 cases chosen to stand for 83 inputs", "from 2026-01-10", "Names, places", "evalkit label"):
        assert words in out


def test_the_same_seed_writes_the_same(in_process, logs, tmp_path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        in_process("sample", logs, "-n", 7, "-o", name, "--seed", 3)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_a_table_has_an_empty_column_for_what_is_right(in_process, logs, tmp_path) -> None:
    in_process("sample", logs, "-n", 5, "-o", "cases.csv", "--text", "message")
    rows = _rows(tmp_path / "cases.csv")
    assert len(rows) == 5
    assert all(row["expected"] == "" and row["message"] for row in rows)


def test_what_is_right_is_kept_where_it_is_named(in_process, logs, tmp_path) -> None:
    in_process("sample", logs, "-n", 5, "-o", "cases.jsonl", "--text", "message", "--expected", "answer")
    assert all(case["expected"] for case in _rows(tmp_path / "cases.jsonl"))


def test_personal_data_is_told_or_replaced(in_process, logs, tmp_path) -> None:
    told = json.loads(in_process("sample", logs, "-n", 80, "-o", "told.jsonl", "--near", 1, "--json"))
    assert told["personal"] == {"email": [81, 82], "phone": [81, 82]}
    assert told["masked"] is None
    shown = in_process("sample", logs, "-n", 80, "-o", "masked.jsonl", "--mask", "--report", "cover.md")
    text = (tmp_path / "masked.jsonl").read_text()
    assert "example.com" not in text + shown + (tmp_path / "cover.md").read_text()
    assert "[EMAIL_1], call [PHONE_1]" in text


def test_what_is_masked_is_not_quoted(in_process, tmp_path) -> None:
    rows = [f"{name}@example.com is my mail, {ask}" for name in ("jo", "al", "mia") for ask in ("help", "call back")]
    (tmp_path / "logs.csv").write_text("\n".join(["message", *(f'"{row}"' for row in rows)]))
    out = in_process("sample", "logs.csv", "-n", 2, "-o", "a.jsonl", "--mask", width=200)
    assert "[EMAIL] is my mail" in out
    assert "example" not in out


def test_nothing_that_is_masked_is_left_in_any_file(in_process, tmp_path) -> None:
    labels = ["jo@example.com", "other"]
    rows = [
        {"id": f"jo@example.com/{n}", "q": f"{t} jo@example.com", "team": labels[0], "label": labels[n % 2]}
        for n, t in enumerate(_TOPICS)
    ]
    (tmp_path / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = [
        in_process(
            "sample",
            "table.jsonl",
            "-n",
            4,
            "-o",
            "a",
            "--mask",
            "--id",
            "id",
            "--tags",
            "team",
            "-e",
            "label",
            "--json",
        )
    ]
    asks = [{"role": "system", "content": "Of boss@example.com"}, {"role": "user", "content": "?"}]
    calls = [
        {"request": {"model": "m", "messages": [asks[0], {**asks[1], "content": topic}]}, "response": "al@example.com"}
        for topic in _TOPICS
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, calls)))
    said.append(in_process("sample", "log.jsonl", "-n", 4, "-o", "b", "--mask"))
    files = [path for folder in ("a", "b") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert "example" not in "".join(said) + "".join(path.read_text() for path in files)
    assert "Of [EMAIL_1]" in "".join(path.read_text() for path in files)
    assert not [path for path in files if path.name == "outputs.jsonl"]


def test_what_is_no_time_does_not_become_a_tag(in_process, tmp_path) -> None:
    stamps = ("2026-05-01", "n/a", "yesterday")
    rows = [{"q": topic, "at": stamps[number % 3]} for number, topic in enumerate(_TOPICS)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    in_process("sample", "t.jsonl", "-o", "a.jsonl", "--text", "q", "--time", "at")
    assert not any("tags" in case for case in _rows(tmp_path / "a.jsonl"))


@pytest.fixture
def timed(in_process, tmp_path):
    """Sample all rows of a small table by their times; returns what is printed, and the tags of each case by text."""

    def run(header, *rows, options=("--time", "at")):
        with (tmp_path / "t.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        out = in_process("sample", "t.csv", "-o", "a.jsonl", "--near", 1, *options, width=200)
        return out, {case["vars"]["q"]: case.get("tags", []) for case in _rows(tmp_path / "a.jsonl")}

    return run


def test_a_time_is_no_tag_and_no_tag_is_a_time(timed, tmp_path) -> None:
    out, tags = timed(
        ("q", "team", "at", "day"),
        ("Where is my parcel", "web", "03/05/2026", "2026-05-03"),
        ("I want a refund", "", "soon", ""),
        ("The lamp is broken", "app;soon", "2026-05-01 10:00:00,123", "2026-05-01"),
        ("", "web", "never", ""),
        ("Who sells hubs", "app", "", "2026-05-04"),
        options=("--tags", "team", "--tags", "day", "--time", "at"),
    )
    assert tags == {
        "Where is my parcel": ["web", "2026-05-03"],
        "I want a refund": [],
        "The lamp is broken": ["app", "soon", "2026-05-01"],
        "Who sells hubs": ["app", "2026-05-04"],
    }
    assert "t.csv:2: 2 of 3 times in `at` cannot be read, the first: '03/05/2026'. Write times as ISO 8601" in out
    assert re.search(r"from 2026-05-01 +25.0 %", out)
    assert re.search(r"unknown +75.0 %", out)


def test_an_error_names_options_that_sample_has(in_process, tmp_path) -> None:
    (tmp_path / "t.csv").write_text("id,when\n1,2026-05-01\n2,2026-05-02\n", encoding="utf-8")
    err = in_process("sample", "t.csv", "-o", "a.jsonl", "--time", "when", code=2)
    assert "such as --text COLUMN" in err
    assert "--map" not in err


def test_times_that_can_all_be_read_are_no_news(timed) -> None:
    assert "Changed:" not in timed(("q", "at"), ("Where is it", "1777629600"), ("A refund", ""))[0]


def test_a_column_of_tags_stays_one_beside_a_time(timed) -> None:
    _, tags = timed(("q", "at", "tags"), ("Where is it", "2026-05-01", "web;vip"), ("A refund", "2026-05-02", ""))
    assert tags == {"Where is it": ["web", "vip"], "A refund": []}


def test_cases_have_their_time_as_a_var(in_process, tmp_path) -> None:
    cases = [{"vars": {"q": topic, "at": f"2026-05-{n + 1:02}"}, "tags": ["x"]} for n, topic in enumerate(_TOPICS)]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, cases)))
    out = in_process("sample", "c.jsonl", "-o", "a.jsonl", "--time", "at")
    assert "from 2026-05-01" in out
    assert all(set(case["vars"]) == {"q"} and case["tags"] == ["x"] for case in _rows(tmp_path / "a.jsonl"))
    in_process("sample", "c.jsonl", "-o", "new", "--time", "at")
    prompt = (tmp_path / "new" / "prompts" / "imported.yaml").read_text()
    assert "{{ q }}" in prompt
    assert "{{ at }}" not in prompt


def test_any_other_source_has_its_time_as_a_var(in_process, tmp_path) -> None:
    tests = [{"vars": {"q": topic, "at": f"2026-05-{n + 1:02}"}} for n, topic in enumerate(_TOPICS[:-1])]
    tests.append({"vars": {"q": _TOPICS[-1], "at": "soon"}})
    (tmp_path / "p.json").write_text(json.dumps({"prompts": ["{{q}}"], "providers": ["openai:m"], "tests": tests}))
    out = in_process("sample", "p.json", "-o", "a.jsonl", "--time", "at", "--kind", "promptfoo", width=200)
    assert "p.json: 1 of 10 times in `at` cannot be read, the first: 'soon'" in out
    assert all(set(case["vars"]) == {"q"} for case in _rows(tmp_path / "a.jsonl"))


def test_a_log_says_when_in_its_rows(in_process, tmp_path) -> None:
    calls = [
        {"at": f"2026-05-{n + 1:02}", "request": {"model": "m", "messages": [{"role": "user", "content": topic}]}}
        for n, topic in enumerate(_TOPICS)
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, calls)))
    assert "from 2026-05-01" in in_process("sample", "log.jsonl", "-o", "a.jsonl", "--time", "at")
    assert "no time can be read" in in_process("sample", "log.jsonl", "-o", "b.jsonl", "--time", "day", code=2)


def test_what_was_left_out_and_changed_is_told(in_process, tmp_path) -> None:
    rows = ["id,my question,label,note", *(f"{n},{topic},{n % 2},x" for n, topic in enumerate(_TOPICS)), "10,,1,x"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    out = in_process("sample", "t.csv", "-o", "a.jsonl", "--text", "my question", width=200)
    lost, changed = out.partition("Lost:")[2].split("Changed:")
    assert "t.csv:12: there is no input in this row" in lost
    assert "t.csv: `my question` is called `my_question` in prompts" in changed
    assert "t.csv: left out: note. Name what is wanted with --text" in changed
    assert "`label` was taken for what is right, and left out: cases are to be labelled. Keep it: --exp" in changed
    told = json.loads(in_process("sample", "t.csv", "-o", "b.jsonl", "--text", "my question", "--json"))
    assert [note["where"] for note in told["notes"] if note["lost"]] == ["t.csv:12"]
    assert "Lost:" not in in_process("sample", "t.csv", "-o", "c.jsonl", "--expected", "label", "--text", "note")


def test_of_a_log_only_what_the_sample_holds_is_told(in_process, tmp_path) -> None:
    calls = [
        {"request": {"model": "m", "temperature": n / 10, "messages": [{"role": "user", "content": topic}]}}
        | {"response": "yes"}
        for n, topic in enumerate(_TOPICS)
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, [*calls, {"request": 1}])))
    cases = in_process("sample", "log.jsonl", "-o", "a.jsonl", "-n", 4, width=200)
    suite = in_process("sample", "log.jsonl", "-o", "new", "-n", 4, width=200)
    assert "temperature" in suite
    assert "temperature" not in cases
    assert "outputs.jsonl" not in cases + suite


def test_notes_quote_nothing_that_is_masked(in_process, tmp_path) -> None:
    rows = ["q,at", *(f"{topic},2026-05-01" for topic in _TOPICS), "call me,jo@example.com"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    out = in_process("sample", "t.csv", "-o", "a.jsonl", "--time", "at", "--mask", width=200)
    assert "the first: '[EMAIL]'" in out


def test_a_folder_gets_a_suite_that_can_be_labelled(in_process, logs, tmp_path) -> None:
    out = in_process("sample", logs, "-n", 5, "-o", "new", "--text", "message", "--time", "at")
    suite = (tmp_path / "new" / "suite.yaml").read_text()
    assert suite.count("message:") == 5
    assert "{{ message }}" in (tmp_path / "new" / "prompts" / "imported.yaml").read_text()
    assert "evalkit label new/suite.yaml" in out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["-o", "logs.csv"], "there already"),
        (["-o", "cases.txt"], ".jsonl or .csv"),
        (["-o", "a.jsonl", "--text", "mesage"], "did you mean"),
        (["-o", "a.jsonl", "--time", "team"], "no time can be read"),
        (["-o", "a.jsonl", "--kind", "tabel"], "table"),
    ],
)
def test_what_cannot_be_used_is_refused(in_process, logs, tmp_path, more, words) -> None:
    assert words in in_process("sample", logs, *more, code=2)
    assert {path.name for path in tmp_path.iterdir()} == {"logs.csv"}


def test_a_missing_library_is_named_before_any_work(in_process, logs, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    assert "pip install 'evalkit-cli[sample]'" in in_process("sample", logs, "-o", "a.jsonl", code=2)


def test_fewer_kinds_than_were_looked_for_are_no_news(in_process, tmp_path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["q", *_TOPICS, "call me"]))
    told = json.loads(in_process("sample", "t.csv", "-o", "a.jsonl", "--json"))
    assert sum(kind["inputs"] for kind in told["kinds"]) == 11
    assert all(kind["inputs"] and kind["name"] for kind in told["kinds"])


def test_results_are_no_inputs(in_process, tmp_path) -> None:
    (tmp_path / "empty.csv").write_text("message\n")
    assert "error" in in_process("sample", "empty.csv", "-o", "a.jsonl", code=2)


def test_boilerplate_is_told(in_process, tmp_path) -> None:
    shared = "You are the assistant of a shop, be kind and brief, and answer in the language of the customer. "
    lines = [json.dumps({"message": shared + topic}) for topic in _TOPICS]
    (tmp_path / "logs.jsonl").write_text("\n".join(lines))
    assert "--near 1" in in_process("sample", "logs.jsonl", "-o", "a.jsonl", "-n", 3, width=200)
