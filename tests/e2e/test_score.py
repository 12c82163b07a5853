"""Judges in a run, and `evalkit score`: paid words are kept, and no candidate is asked again."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Reply, completion, last_user
from workspace import EVALKIT, Workspace, journal, rows, wait_until

pytestmark = pytest.mark.e2e

JUDGED = {"judge": {"rubric": "Is it a number below five?", "model": "judge"}}


def suite(count: int, *scorers: Any, **extra: Any) -> dict[str, Any]:
    return {
        "suite": "suite",
        "prompts": [{"name": "p", "template": "{{ n }}"}],
        "models": ["candidate"],
        "scorers": list(scorers),
        "cases": [{"id": f"c{n}", "vars": {"n": n}, "expected": str(n)} for n in range(count)],
        **extra,
    }


def models(server: ChatServer, judge_url: str | None = None) -> dict[str, Any]:
    row = {"provider": "openai", "base_url": server.url, "price": {"input": 1.0, "output": 2.0}}
    return {
        "models": {
            "candidate": {**row, "model": "candidate"},
            "judge": {**row, "base_url": judge_url or server.url, "model": "judge"},
        }
    }


def answering(body: dict[str, Any]) -> Reply:
    """Echo as the candidate; as the judge, pass answers that hold a digit below five."""
    if body["model"] == "candidate":
        return Reply(completion(last_user(body)))
    verdict = "pass" if any(f"\n{digit}\n" in last_user(body) for digit in "01234") else "fail"
    return Reply(completion(json.dumps({"reason": f"it is a {verdict}", "verdict": verdict})))


def asked(server: ChatServer, model: str) -> int:
    return sum(body["model"] == model for body in server.requests)


@pytest.fixture
def judged(workspace: Workspace, chat_server: ChatServer) -> Workspace:
    """A folder with a suite of eight cases that a model judges."""
    chat_server.answer = answering
    workspace.write("models.yaml", models(chat_server))
    workspace.write("suite.yaml", suite(8, JUDGED))
    return workspace


def test_a_model_judges_beside_the_calls_and_costs_apart(judged: Workspace, chat_server: ChatServer) -> None:
    done = judged.run("run", "suite.yaml")
    assert done.code == 0, done.err
    assert (asked(chat_server, "candidate"), asked(chat_server, "judge")) == (8, 8)
    (model,) = rows(judged.folder(), "models.csv")
    assert (model["passed"], model["failed"], model["errors"]) == ("5", "3", "0")
    assert float(model["cost_usd"]) == pytest.approx(8 * 20e-6)
    said = journal(judged.folder(), "judgements.jsonl")
    assert {row["model"] for row in said} == {"judge"}
    assert sum(row["cost_usd"] for row in said) == pytest.approx(8 * 20e-6)
    cases = {row["case_id"]: row for row in rows(judged.folder(), "cases.csv")}
    assert (cases["c7"]["passed"], cases["c7"]["reason"]) == ("false", "fail: it is a fail")


def test_a_dead_judge_loses_no_answer_and_is_made_good_later(judged: Workspace, chat_server: ChatServer) -> None:
    judged.write("models.yaml", models(chat_server, "http://127.0.0.1:9/v1"))
    done = judged.run("run", "suite.yaml", "--keep-going")
    assert done.code == 3, done.out + done.err
    (model,) = rows(judged.folder(), "models.csv")
    assert (model["passed"], model["failed"], model["errors"]) == ("0", "0", "8")
    judged.write("models.yaml", models(chat_server))
    done = judged.run("score", str(judged.folder()))
    assert done.code == 0, done.out + done.err
    (model,) = rows(judged.folder(), "models.csv")
    assert (model["passed"], model["failed"], model["errors"]) == ("5", "3", "0")
    assert (asked(chat_server, "candidate"), asked(chat_server, "judge")) == (8, 8)


def test_judge_answers_that_are_none_are_the_judge_s_errors(judged: Workspace, chat_server: ChatServer) -> None:
    chat_server.answer = lambda body: Reply(completion("I would rather not say"))
    assert judged.run("run", "suite.yaml").code == 3
    (model,) = rows(judged.folder(), "models.csv")
    assert (model["passed"], model["failed"], model["errors"]) == ("0", "0", "8")
    assert "judge" in rows(judged.folder(), "cases.csv")[0]["error"]
    chat_server.answer = answering
    done = judged.run("run", "suite.yaml", "--resume")
    assert done.code == 0, done.out + done.err
    assert (asked(chat_server, "candidate"), asked(chat_server, "judge")) == (8, 16)
    report = json.loads((judged.folder() / "report.json").read_text(encoding="utf-8"))
    (judge,) = report["judges"]
    assert (judge["questions"], judge["errors"]) == (8, 0)
    assert judge["cost_usd"] == pytest.approx(16 * 20e-6)  # both replies were paid for


def test_the_same_question_is_paid_for_once(judged: Workspace, chat_server: ChatServer) -> None:
    done = judged.run("run", "suite.yaml", "--trials", "3")
    assert done.code == 0, done.err
    assert (asked(chat_server, "candidate"), asked(chat_server, "judge")) == (24, 8)


def test_a_judge_that_is_killed_for_goes_on_where_it_was(judged: Workspace, chat_server: ChatServer) -> None:
    judged.write("suite.yaml", suite(60, JUDGED))
    process = judged.start("run", "suite.yaml")
    wait_until(lambda: asked(chat_server, "judge") >= 20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    at_kill, in_flight = asked(chat_server, "judge"), 32
    done = judged.run("run", "suite.yaml", "--resume")
    assert done.code == 0, done.out + done.err
    (model,) = rows(judged.folder(), "models.csv")
    assert (model["passed"], model["errors"]) == ("5", "0")
    assert at_kill < 60 + in_flight
    assert asked(chat_server, "judge") <= 60 + in_flight
    assert len({row["call_id"] for row in journal(judged.folder(), "judgements.jsonl")}) == 60


def test_a_run_is_judged_anew_without_a_call(judged: Workspace, chat_server: ChatServer) -> None:
    assert judged.run("run", "suite.yaml").code == 0
    before = len(chat_server.requests)
    changed = suite(8, {"regex": "^[0-3]$"}, threshold=1.0)
    changed["cases"][0] |= {"tags": ["new"], "expected": "zero"}
    judged.write("other.yaml", changed)
    done = judged.run("score", str(judged.folder()), "--suite", "other.yaml")
    assert done.code == 0, done.out + done.err
    assert len(chat_server.requests) == before
    (model,) = rows(judged.folder(), "models.csv")
    assert (model["passed"], model["failed"]) == ("4", "4")
    assert rows(judged.folder(), "cases.csv")[0]["expected"] == "zero"
    done = judged.run("score", str(judged.folder()), "--suite", "suite.yaml")
    assert done.code == 0, done.out + done.err
    assert len(chat_server.requests) == before  # the judge's words are kept
    assert rows(judged.folder(), "models.csv")[0]["passed"] == "5"


def test_another_suite_s_run_is_not_judged(judged: Workspace) -> None:
    assert judged.run("run", "suite.yaml").code == 0
    before = {path.name: path.read_bytes() for path in judged.folder().iterdir() if path.is_file()}
    other = suite(8, "exact")
    other["cases"][2]["vars"] = {"n": "something else"}
    judged.write("other.yaml", other)
    done = judged.run("score", str(judged.folder()), "--suite", "other.yaml")
    assert done.code == 2
    assert "c2" in done.err
    assert "ask something else" in done.err
    assert {path.name: path.read_bytes() for path in judged.folder().iterdir() if path.is_file()} == before


def test_a_scoring_that_is_broken_off_changes_no_verdict(judged: Workspace, chat_server: ChatServer) -> None:
    judged.write("suite.yaml", suite(40, "exact"))
    assert judged.run("run", "suite.yaml").code == 0
    before = (judged.folder() / "scores.jsonl").read_bytes()
    judged.write("other.yaml", suite(40, JUDGED))
    process = judged.start("score", str(judged.folder()), "--suite", "other.yaml")
    wait_until(lambda: asked(chat_server, "judge") >= 10)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    if process.returncode == 130:  # else it was through before the signal
        assert (judged.folder() / "scores.jsonl").read_bytes() == before, out + err
    done = judged.run("score", str(judged.folder()), "--suite", "other.yaml")
    assert done.code == 0, done.out + done.err
    assert rows(judged.folder(), "models.csv")[0]["passed"] == "5"
    assert len({row["call_id"] for row in journal(judged.folder(), "judgements.jsonl")}) == 40
    assert asked(chat_server, "judge") == 40


def test_a_judge_counts_into_what_a_run_may_cost(judged: Workspace, chat_server: ChatServer) -> None:
    done = judged.run("run", "suite.yaml", "--max-cost", "0.00019")  # nine calls of $0.00002, candidate's and judge's
    assert done.code == 3, done.out + done.err
    assert len(chat_server.requests) <= 10
    done = judged.run("run", "suite.yaml", "--resume")
    assert done.code == 0, done.out + done.err
    assert rows(judged.folder(), "models.csv")[0]["passed"] == "5"


def test_local_cases_do_not_leave_with_the_judge(judged: Workspace, chat_server: ChatServer) -> None:
    judged.write("models.yaml", models(chat_server, "https://judge.example/v1"))
    judged.write("suite.yaml", suite(8, JUDGED, data_policy="local"))
    done = judged.run("run", "suite.yaml", OPENAI_API_KEY="sk-none")
    assert done.code == 2
    assert "model 'judge' is at https://judge.example/v1" in done.err
    assert chat_server.requests == []


def test_an_unknown_judge_is_found_before_any_call(judged: Workspace, chat_server: ChatServer) -> None:
    judged.write("suite.yaml", suite(8, {"judge": {"rubric": "?", "model": "jugde"}}))
    done = judged.run("run", "suite.yaml")
    assert done.code == 2
    assert "jugde" in done.err
    assert chat_server.requests == []


def write_outputs(path: Path, *outputs: Any) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in outputs), encoding="utf-8")


def test_outputs_from_elsewhere_are_judged_in_their_order(workspace: Workspace) -> None:
    long = "x" * 30_000 + " 42"
    write_outputs(
        workspace.path / "o.jsonl",
        {"id": "a", "output": long, "expected": 42},
        {"id": "b", "output": "41.5", "expected": "42", "tags": ["t"]},
        {"output": None, "expected": 1},
    )
    done = workspace.run("score", "o.jsonl", "--scorer", "numeric: {tolerance: 0.1}", "--out", "v.jsonl")
    assert done.code == 0, done.err
    verdicts = [json.loads(line) for line in (workspace.path / "v.jsonl").read_text().splitlines()]
    assert [(row["id"], row["value"], row["passed"]) for row in verdicts] == [
        ("a", 1.0, True),
        ("b", 0.0, False),
        ("line 3", 0.0, False),
    ]
    assert verdicts[1]["reason"] == "expected 42 within 0.1, got 41.5"
    printed = workspace.run("score", "o.jsonl", "--scorer", "numeric: {tolerance: 0.1}")
    assert [json.loads(line) for line in printed.out.splitlines()] == verdicts
    assert "1 passed, 2 failed, 0 could not be judged" in printed.err


def test_a_suite_judges_outputs_from_elsewhere_by_its_cases(workspace: Workspace, chat_server: ChatServer) -> None:
    chat_server.answer = answering
    workspace.write("models.yaml", models(chat_server))
    workspace.write("suite.yaml", suite(8, "exact", JUDGED))
    write_outputs(workspace.path / "o.jsonl", {"id": "c1", "output": "1"}, {"id": "c7", "output": "9"})
    done = workspace.run("score", "o.jsonl", "--suite", "suite.yaml")
    assert done.code == 0, done.err
    first, second = map(json.loads, done.out.splitlines())
    assert (first["passed"], second["value"]) == (True, 0.0)
    assert "exact: " in second["reason"]
    assert "judge: fail: it is a fail" in second["reason"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("o.jsonl",), 2, "nothing judges the outputs"),
        (("o.jsonl", "--scorer", "numerc"), 2, "did you mean `numeric`?"),
        (("o.jsonl", "--scorer", "numeric", "--scorer", "regex: '('"), 2, "invalid pattern"),
        (("bad.jsonl", "--scorer", "numeric"), 2, "bad.jsonl:1: a row lacks the key `output`"),
        (("o.jsonl", "--scorer", "label: [a, b]"), 2, 'o.jsonl:1: "a": label: `expected` is'),
        (("empty.jsonl", "--scorer", "numeric"), 2, "there are no outputs in it"),
        (("nowhere", "--scorer", "numeric"), 2, "there is no such run or file"),
        ((".", "--scorer", "numeric"), 2, "are for files of outputs"),
        ((".",), 2, "no run '.'; there are no runs in results"),
        (("nowhere.jsonl",), 2, "there is no such run or file"),
    ],
)
def test_what_cannot_be_judged(workspace: Workspace, arguments: tuple[str, ...], code: int, words: str) -> None:
    write_outputs(workspace.path / "o.jsonl", {"id": "a", "output": "1", "expected": 1})
    write_outputs(workspace.path / "bad.jsonl", {"id": "a"})
    (workspace.path / "empty.jsonl").touch()
    done = workspace.run("score", *arguments)
    assert done.code == code
    assert words in " ".join(done.err.split()), done.err


def test_a_scorer_at_fault_is_no_failure_of_the_output(workspace: Workspace) -> None:
    write_outputs(workspace.path / "o.jsonl", {"id": "a", "output": "a" * 40 + "b", "expected": 1})
    done = workspace.run("score", "o.jsonl", "--scorer", "regex: {pattern: '^(a+)+$', timeout: 0.3}")
    assert done.code == 3
    row = json.loads(done.out)
    assert (row["value"], row["reason"]) == (None, "scorer error: regex: no verdict after 0.3 s")


def test_an_embedding_model_must_offer_embeddings(judged: Workspace, chat_server: ChatServer) -> None:
    judged.write("suite.yaml", suite(8, {"embedding": "judge"}))
    row = {"provider": "anthropic", "base_url": chat_server.url, "model": "j", "api_key_env": "KEY"}
    configured = models(chat_server)
    configured["models"]["judge"] = row
    judged.write("models.yaml", configured)
    done = judged.run("run", "suite.yaml", KEY="k")
    assert done.code == 2
    assert "embedding" in done.err
    assert chat_server.requests == []


def test_a_suite_that_is_unchanged_gives_the_same_verdicts(judged: Workspace) -> None:
    assert judged.run("run", "suite.yaml").code == 0
    kept = ("cases.csv", "models.csv", "scorers.csv")
    before = {name: (judged.folder() / name).read_bytes() for name in kept}
    done = judged.run("score", "results/suite/latest")
    assert done.code == 0, done.err
    assert {name: (judged.folder() / name).read_bytes() for name in kept} == before


def test_a_run_is_judged_from_elsewhere_or_after_its_suite_has_moved(judged: Workspace) -> None:
    assert judged.run("run", "suite.yaml").code == 0
    inside = Workspace(judged.folder().parent)
    done = inside.run("score", "latest")
    assert done.code == 2
    assert f"the run's suite suite.yaml is not there as seen from {inside.path}" in done.err
    assert "go to the folder the run was started in" in done.err
    moved = judged.path / "moved"
    moved.mkdir()
    for name in ("suite.yaml", "models.yaml"):
        shutil.move(judged.path / name, moved / name)
    done = judged.run("score", "results/suite/latest", "--suite", "moved/suite.yaml")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("o.jsonl", "--out o.jsonl is the file of outputs itself"),
        ("./sub/../o.jsonl", "is the file of outputs itself"),
        ("sub", "--out sub is a folder"),
        ("nowhere/v.jsonl", "--out nowhere/v.jsonl: there is no folder nowhere"),
        ("link", "--out link is no ordinary file"),
        ("pipe", "--out pipe is no ordinary file"),
    ],
)
def test_where_verdicts_cannot_go_is_found_before_anything_is_judged(judged: Workspace, out: str, words: str) -> None:
    (judged.path / "sub").mkdir()
    (judged.path / "link").symlink_to("elsewhere")
    os.mkfifo(judged.path / "pipe")
    write_outputs(judged.path / "o.jsonl", {"id": "a", "output": "1"})
    before = (judged.path / "o.jsonl").read_bytes()
    done = judged.run("score", "o.jsonl", "--scorer", json.dumps(JUDGED), "--out", out)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert (judged.path / "o.jsonl").read_bytes() == before
    assert sorted(path.name for path in judged.path.iterdir()) == [
        "link", "models.yaml", "o.jsonl", "pipe", "sub", "suite.yaml",
    ]  # fmt: skip


def printed_to(workspace: Workspace, target: int | None) -> tuple[int, str]:
    """Score a file with this standard output, None: a closed one; returns the exit code and what was complained of."""
    command = [str(EVALKIT), "score", "o.jsonl", "--scorer", "exact"]
    if target is None:
        command = ["sh", "-c", '"$@" >&-', "sh", *command]
    done = subprocess.run(
        command, cwd=workspace.path, stdout=target, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    return done.returncode, done.stderr


def test_a_reader_of_verdicts_may_leave(workspace: Workspace) -> None:
    write_outputs(workspace.path / "o.jsonl", *({"id": f"{n}", "output": "x", "expected": "x"} for n in range(5000)))
    read, write = os.pipe()
    os.close(read)
    assert printed_to(workspace, write) == (0, "")
    os.close(write)
    code, err = printed_to(workspace, None)
    assert (code, err.splitlines()[0]) == (3, "error: cannot write to standard output: it is closed")
    if Path("/dev/full").exists():
        with Path("/dev/full").open("wb") as full:
            code, err = printed_to(workspace, full.fileno())
        assert (code, "cannot write to standard output: No space left" in err) == (3, True)


def test_rows_as_other_tools_write_them(workspace: Workspace) -> None:
    call = {"name": "weather", "arguments": {"city": "Paris"}}
    nested = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    rows = [
        {"id": None, "output": None, "tool_calls": [call]},
        {"id": 7, "output": "", "tool_calls": [nested], "model": "m"},
        {"id": "cut off \ud83d", "output": "\ud83d", "tool_calls": None},
        {"id": "twice", "output": {"a": 1}},
        {"id": "twice", "output": 1.5},
    ]
    text = "\r\n\r\n".join(map(json.dumps, rows))
    (workspace.path / "o.jsonl").write_text("\ufeff" + text, encoding="utf-8", newline="")
    scorer = {"any_of": [{"tool_call": {"calls": call}}, {"regex": r"^(1\.5|\{\"a\": 1\}|\ufffd)$"}]}
    done = workspace.run("score", "o.jsonl", "--scorer", json.dumps(scorer))
    assert done.code == 0, done.err
    verdicts = [json.loads(line) for line in done.out.splitlines()]
    assert [verdict["id"] for verdict in verdicts] == ["line 1", "7", "cut off \ufffd", "twice", "twice"]
    assert all(verdict["passed"] for verdict in verdicts), verdicts


def test_what_a_row_lacks_its_case_says(judged: Workspace, chat_server: ChatServer) -> None:
    judge = {"judge": {"rubric": "Is it a number below five?", "model": "judge"}}
    judged.write("suite.yaml", suite(8, judge))
    write_outputs(judged.path / "o.jsonl", {"id": "c1", "output": "1", "latency": 5})
    assert judged.run("score", "o.jsonl", "--suite", "suite.yaml").code == 0
    asked_about = last_user(chat_server.requests[0])
    assert "input n " in asked_about
    assert "input latency " in asked_about


def test_outputs_of_local_cases_do_not_leave_with_the_judge(judged: Workspace, chat_server: ChatServer) -> None:
    assert judged.run("run", "suite.yaml").code == 0
    judged.write("models.yaml", models(chat_server, "https://judge.example/v1"))
    judged.write("suite.yaml", suite(8, JUDGED, data_policy="local"))
    write_outputs(judged.path / "o.jsonl", {"id": "c1", "output": "1"})
    for target in ("o.jsonl", "results/suite/latest"):
        done = judged.run("score", target, "--suite", "suite.yaml", OPENAI_API_KEY="sk-none")
        assert done.code == 2, done.out
        assert "model 'judge' is at https://judge.example/v1" in done.err


def test_judges_without_a_price_cannot_be_kept_below_a_cost(judged: Workspace) -> None:
    row = {"provider": "openai", "base_url": "https://judge.example/v1", "model": "j", "api_key_env": "KEY"}
    judged.write("models.yaml", {"models": {"judge": row}})
    write_outputs(judged.path / "o.jsonl", {"id": "c1", "output": "1"})
    done = judged.run("score", "o.jsonl", "--scorer", json.dumps(JUDGED), "--max-cost", "1", KEY="k")
    assert done.code == 2
    assert "--max-cost needs the price of model 'judge'" in done.err


def test_two_at_once_do_not_write_to_one_file_of_judgements(judged: Workspace, chat_server: ChatServer) -> None:
    write_outputs(judged.path / "o.jsonl", {"id": "c1", "output": "1"})
    kept = judged.path / "o.judgements.jsonl"
    with kept.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = judged.run("score", "o.jsonl", "--scorer", json.dumps(JUDGED))
        assert done.code == 2
        assert "another evalkit process is writing to o.judgements.jsonl" in done.err
    assert judged.run("score", "o.jsonl", "--scorer", json.dumps(JUDGED)).code == 0
    assert judged.run("score", "o.jsonl", "--scorer", json.dumps(JUDGED)).code == 0
    assert asked(chat_server, "judge") == 1


def test_judges_are_named_before_the_bill(judged: Workspace, chat_server: ChatServer) -> None:
    panel = {"judge": {"rubric": "?", "model": ["judge", "second"], "extract": {"after": "Answer:"}}}
    pair = {"judge_pairwise": {"rubric": "?", "model": "judge"}}
    configured = models(chat_server)
    configured["models"]["second"] = configured["models"]["judge"]
    judged.write("models.yaml", configured)
    judged.write("suite.yaml", suite(8, "exact", panel, pair))
    done = judged.run("run", "suite.yaml", "--dry-run", "--trials", "2")
    assert done.code == 0, done.err
    planned = {line.split()[0]: line for line in done.out.splitlines() if "(judges)" in line}
    assert "<= 48" in planned["judge"]  # the panel's word, and the pair in both orders
    assert "<= 16" in planned["second"]
    done = judged.run("validate", "suite.yaml")
    assert "judges: judge (at most 24 questions), second (at most 8 questions)" in done.out
    assert chat_server.requests == []


def test_bytes_that_are_no_text_are_judged_as_what_stands_for_them(workspace: Workspace) -> None:
    (workspace.path / "o.jsonl").write_bytes(b'{"id": "a", "output": "4\xff2", "expected": "4\xef\xbf\xbd2"}\n')
    done = workspace.run("score", "o.jsonl", "--scorer", "exact")
    assert done.code == 0, done.err
    assert json.loads(done.out)["passed"] is True
