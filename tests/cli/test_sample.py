"""`evalkit sample`: from many inputs to a case file or a suite."""

import csv
import json
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


def test_results_are_no_inputs(in_process, tmp_path) -> None:
    (tmp_path / "empty.csv").write_text("message\n")
    assert "error" in in_process("sample", "empty.csv", "-o", "a.jsonl", code=2)


def test_boilerplate_is_told(in_process, tmp_path) -> None:
    shared = "You are the assistant of a shop, be kind and brief, and answer in the language of the customer. "
    lines = [json.dumps({"message": shared + topic}) for topic in _TOPICS]
    (tmp_path / "logs.jsonl").write_text("\n".join(lines))
    assert "--near 1" in in_process("sample", "logs.jsonl", "-o", "a.jsonl", "-n", 3, width=200)
