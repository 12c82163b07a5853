"""`evalkit run`, from a suite file to the reports, against a server on loopback."""

from __future__ import annotations

import contextlib
import json
import signal
import statistics
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Reply, completion, last_user
from workspace import Finished, Workspace, journal, rows, wait_until, without

pytestmark = pytest.mark.e2e

MODELS_COLUMNS = (
    "model,prompt,cases,trials,passed,failed,errors,pass_rate,pass_rate_low,pass_rate_high,latency_p50_ms,latency_p90_ms,"
    "latency_p95_ms,latency_p99_ms,ttft_p50_ms,ttft_p95_ms,output_tokens_per_s,input_tokens,output_tokens,cost_usd,"
    "cost_per_1k_cases_usd,cost_per_passed_usd,price_source"
)
CASES_COLUMNS = (
    "case_id,tags,model,prompt,trial,passed,score,scorer,reason,expected,output,error,latency_ms,ttft_ms,queue_ms,retry_ms,"
    "attempts,input_tokens,output_tokens,cost_usd,call_id,tool_calls"
)
TIMES = ("latency_ms", "ttft_ms", "queue_ms", "retry_ms", "attempts")
TIME_FIGURES = tuple(name for name in MODELS_COLUMNS.split(",") if name.endswith(("_ms", "_per_s")))


def suite(count: int, models: list[str], **extra: Any) -> dict[str, Any]:
    """Write a suite of cases whose right answer is their own number; every third expects something else."""
    return {
        "suite": "suite",
        "prompts": [{"name": "p", "template": "{{ n }}"}],
        "models": models,
        "scorers": ["exact"],
        "cases": [
            {"id": f"c{n}", "vars": {"n": f"n{n}"}, "expected": f"n{n}" if n % 3 else "else", "tags": [f"t{n % 2}"]}
            for n in range(count)
        ],
        **extra,
    }


def models(server: ChatServer, *names: str, **extra: Any) -> dict[str, Any]:
    """Configure models that differ only in the id they ask the server for."""
    row = {"provider": "openai", "base_url": server.url, "price": {"input": 1.0, "output": 2.0}, **extra}
    return {"models": {name: {**row, "model": name} for name in names}}


def test_200_cases_on_5_models_are_complete_and_correct(workspace: Workspace, chat_server: ChatServer) -> None:
    names = [f"model-{letter}" for letter in "abcde"]
    workspace.write("suite.yaml", suite(200, names))
    workspace.write("models.yaml", models(chat_server, *names))
    done = workspace.run("run", "suite.yaml")
    assert done.code == 0, done.err
    folder = workspace.folder()
    assert str(folder.name) in done.out
    assert chat_server.calls == 1000
    assert {(body["model"], last_user(body)) for body in chat_server.requests} == {
        (name, f"n{n}") for name in names for n in range(200)
    }
    for summary in rows(folder, "models.csv"):
        assert (summary["cases"], summary["passed"], summary["failed"], summary["errors"]) == ("200", "133", "67", "0")
        assert float(summary["cost_usd"]) == pytest.approx(200 * (10 * 1.0 + 5 * 2.0) / 1e6)
    assert {(row["model"], row["case_id"], row["output"]) for row in rows(folder, "cases.csv")} == {
        (name, f"c{n}", f"n{n}") for name in names for n in range(200)
    }


def test_every_report_agrees_with_a_recount_of_the_journal(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("suite.yaml", suite(60, ["a", "b"]))
    workspace.write("models.yaml", models(chat_server, "a", "b"))
    assert workspace.run("run", "suite.yaml").code == 0
    folder = workspace.folder()
    records, scores = journal(folder, "records.jsonl"), journal(folder, "scores.jsonl")
    passed = {row["call_id"]: row["passed"] for row in scores}
    report = json.loads((folder / "report.json").read_text())
    markdown = (folder / "report.md").read_text()
    for summary, figures in zip(rows(folder, "models.csv"), report["models"], strict=True):
        own = [record for record in records if record["model"] == summary["model"]]
        latencies = [record["latency_ms"] for record in own]
        percentiles = statistics.quantiles(latencies, n=100, method="inclusive")
        count = sum(passed[record["call_id"]] for record in own)
        assert figures["passed"] == int(summary["passed"]) == count == 40
        assert figures["pass_rate"] == pytest.approx(count / 60)
        assert figures["latency_p95_ms"] == pytest.approx(percentiles[94])
        assert float(summary["latency_p50_ms"]) == pytest.approx(statistics.median(latencies), abs=0.01)
        assert figures["cost_usd"] == pytest.approx(sum(record["cost_usd"] for record in own))
        assert figures["input_tokens"] == sum(record["usage"]["input"] for record in own)
        assert f"{count}/60 (66.7 %)" in markdown


def test_columns_are_the_documented_ones(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("suite.yaml", suite(2, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a"))
    workspace.run("run", "suite.yaml")
    assert (workspace.folder() / "models.csv").read_text().splitlines()[0] == MODELS_COLUMNS
    assert (workspace.folder() / "cases.csv").read_text().splitlines()[0] == CASES_COLUMNS


def test_a_dead_model_fails_only_itself(workspace: Workspace, chat_server: ChatServer) -> None:
    def answer(body: dict[str, Any]) -> Reply:
        if body["model"] == "dead":
            return Reply({"error": {"message": "no such model", "code": "model_not_found"}}, status=404)
        return Reply(completion(last_user(body)))

    chat_server.answer = answer
    workspace.write("suite.yaml", suite(30, ["alive", "dead"]))
    workspace.write("models.yaml", models(chat_server, "alive", "dead", limits={"concurrency": 4}))
    done = workspace.run("run", "suite.yaml")
    assert done.code == 3
    assert "no such model" in done.err
    alive, dead = rows(workspace.folder(), "models.csv")
    assert (alive["passed"], alive["errors"]) == ("20", "0")
    assert (dead["passed"], dead["failed"], dead["errors"], dead["pass_rate"]) == ("0", "0", "30", "0")
    assert dead["latency_p50_ms"] == dead["cost_usd"] == ""
    assert sum(body["model"] == "dead" for body in chat_server.requests) <= 4


def test_a_wrong_model_name_alone_exits_4(workspace: Workspace, chat_server: ChatServer) -> None:
    chat_server.answer = lambda _: Reply({"error": {"message": "no such model"}}, status=404)
    workspace.write("suite.yaml", suite(30, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a", limits={"concurrency": 1}))
    done = workspace.run("run", "suite.yaml")
    assert done.code == 4
    assert chat_server.calls == 1


def test_a_model_that_the_server_does_not_list_is_not_asked(workspace: Workspace, chat_server: ChatServer) -> None:
    chat_server.models = Reply({"object": "list", "data": [{"id": "qwen-7b", "object": "model"}]})
    workspace.write("suite.yaml", suite(3, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a"))
    done = workspace.run("run", "suite.yaml")
    assert done.code == 4
    assert "qwen-7b" in done.err
    assert chat_server.calls == 0
    assert not workspace.runs()


def test_passing_failures_are_asked_again(workspace: Workspace, chat_server: ChatServer) -> None:
    failed: set[str] = set()

    def answer(body: dict[str, Any]) -> Reply:
        if (text := last_user(body)) not in failed:
            failed.add(text)
            return Reply({"error": {"message": "slow down"}}, status=429, headers={"retry-after-ms": "1"})
        return Reply(completion(text))

    chat_server.answer = answer
    workspace.write("suite.yaml", suite(3, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a"))
    assert workspace.run("run", "suite.yaml").code == 0
    for record in journal(workspace.folder(), "records.jsonl"):
        assert record["attempts"] == 2
        assert record["retry_ms"] > 0
        assert record["error"] is None


def test_a_python_candidate_that_raises_loses_its_case_only(workspace: Workspace) -> None:
    workspace.write("suite.yaml", suite(3, ["rules"]))
    workspace.write("models.yaml", "models:\n  rules: {provider: python, function: rules.py:answer}\n")
    code = "def answer(vars):\n    if vars['n'] == 'n1':\n        raise ValueError('boom')\n    return vars['n']\n"
    workspace.write("rules.py", code)
    done = workspace.run("run", "suite.yaml")
    assert done.code == 3
    assert "Traceback" not in done.err + done.out
    table = {row["case_id"]: row for row in rows(workspace.folder(), "cases.csv")}
    assert "ValueError: boom (rules.py:3)" in table["c1"]["error"]
    assert (table["c2"]["passed"], table["c0"]["passed"], table["c1"]["passed"]) == ("true", "false", "false")


def test_what_was_typed_is_what_is_compared(workspace: Workspace, chat_server: ChatServer) -> None:
    typed = ["no", "12:30", "2024-01-01", "0123", "1.10", "true", "null", "1e3"]
    cases = "".join(f"  - {{id: 'case {text}', vars: {{n: {text}}}, expected: {text}}}\n" for text in typed)
    head = "suite: suite\nprompts: [{name: p, template: '{{ n | tojson }}'}]\nmodels: [a]\nscorers: [exact]\ncases:\n"
    workspace.write("suite.yaml", head + cases)
    workspace.write("models.yaml", models(chat_server, "a"))
    chat_server.answer = lambda body: Reply(completion(last_user(body).strip('"')))
    done = workspace.run("run", "suite.yaml")
    assert done.code == 0, done.err
    assert sorted(last_user(body).strip('"') for body in chat_server.requests) == sorted(typed)
    assert {row["expected"]: row["passed"] for row in rows(workspace.folder(), "cases.csv")} == dict.fromkeys(
        typed, "true"
    )


def test_selection_trials_and_prompts(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("suite.yaml", suite(40, ["a"], prompts=["p.yaml", "q.yaml"]))
    workspace.write("p.yaml", "messages: [{system: be brief}, {user: '{{ n }}'}]")
    workspace.write("q.yaml", "prompt: other\nmessages: [{user: '{{ n }}'}]")
    workspace.write("models.yaml", models(chat_server, "a", "b"))
    arguments = (
        "run",
        "suite.yaml",
        "-m",
        "b",
        "-p",
        "other",
        "-f",
        "t1",
        "-n",
        "5",
        "--trials",
        "2",
        "--out",
        "elsewhere",
    )
    assert workspace.run(*arguments).code == 0
    assert chat_server.calls == 10
    assert {body["model"] for body in chat_server.requests} == {"b"}
    asked = [last_user(body) for body in chat_server.requests]
    assert len(set(asked)) == 5
    assert all(int(text[1:]) % 2 == 1 for text in asked)
    assert list((workspace.path / "elsewhere" / "suite").glob("*/report.md"))


@pytest.mark.parametrize("streaming", [True, False])
def test_the_first_token_is_timed_when_answers_are_streamed(
    workspace: Workspace, chat_server: ChatServer, streaming: bool
) -> None:
    workspace.write("suite.yaml", suite(6, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a"))
    assert workspace.run("run", "suite.yaml", *([] if streaming else ["--no-stream"])).code == 0
    assert all(body.get("stream", False) is streaming for body in chat_server.requests)
    (summary,) = rows(workspace.folder(), "models.csv")
    assert (summary["passed"], summary["output_tokens"]) == ("4", "30")
    assert (summary["ttft_p50_ms"] != "") is streaming
    for record in journal(workspace.folder(), "records.jsonl"):
        assert (record["ttft_ms"] is not None) is streaming
        assert record["finish_reason"] == "stop"
        assert not streaming or 0 < record["ttft_ms"] <= record["latency_ms"]


def test_a_stream_that_breaks_off_is_asked_again(workspace: Workspace, chat_server: ChatServer) -> None:
    def answer(body: dict[str, Any]) -> Reply:
        if chat_server.calls == 1:
            chunk = {"choices": [{"index": 0, "delta": {"content": "n"}, "finish_reason": None}]}
            return Reply(f"data: {json.dumps(chunk)}\n\n".encode(), headers={"content-type": "text/event-stream"})
        return Reply(completion(last_user(body)))

    chat_server.answer = answer
    workspace.write("suite.yaml", suite(1, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a"))
    assert workspace.run("run", "suite.yaml").code == 0
    (record,) = journal(workspace.folder(), "records.jsonl")
    assert (record["output"], record["attempts"]) == ("n0", 2)


def test_a_dry_run_asks_nobody(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("suite.yaml", suite(10, ["a"], params={"max_tokens": 100}))
    workspace.write("models.yaml", models(chat_server, "a"))
    done = workspace.run("run", "suite.yaml", "--dry-run")
    assert done.code == 0
    assert "10 calls" in done.out
    assert "1,000" in done.out
    assert chat_server.calls == 0
    assert not workspace.runs()


SLOW = pytest.mark.slow  # test_kill.py kills at many more points


@pytest.mark.parametrize("kill_at", [1, *(pytest.param(at, marks=SLOW) for at in (2, 17, 40, 59)), 60])
def test_a_killed_run_resumes_to_the_report_of_an_uninterrupted_one(
    workspace: Workspace, chat_server: ChatServer, kill_at: int
) -> None:
    workspace.write("suite.yaml", suite(30, ["a", "b"]))
    workspace.write("models.yaml", models(chat_server, "a", "b", limits={"concurrency": 4}))
    assert workspace.run("run", "suite.yaml").code == 0
    whole = workspace.folder()
    chat_server.requests.clear()

    process = workspace.start("run", "suite.yaml")

    def kill_once(body: dict[str, Any]) -> Reply:
        if chat_server.calls == kill_at:
            process.send_signal(signal.SIGKILL)
        return Reply(completion(last_user(body)))

    chat_server.answer = kill_once
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    done = workspace.run("run", "suite.yaml", "--resume")
    assert done.code == 0, done.err
    resumed = workspace.folder()
    assert resumed != whole
    assert chat_server.calls <= 60 + 2 * 4
    assert without(rows(resumed, "models.csv"), *TIME_FIGURES) == without(rows(whole, "models.csv"), *TIME_FIGURES)
    assert without(rows(resumed, "cases.csv"), *TIMES) == without(rows(whole, "cases.csv"), *TIMES)


def test_ctrl_c_keeps_what_is_in_flight_and_resume_asks_the_rest(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("suite.yaml", suite(40, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a", limits={"concurrency": 2}))
    process = workspace.start("run", "suite.yaml")

    def interrupt_once(body: dict[str, Any]) -> Reply:
        if chat_server.calls == 10:
            process.send_signal(signal.SIGINT)
        return Reply(completion(last_user(body)))

    chat_server.answer = interrupt_once
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "--resume" in out
    folder = workspace.folder()
    answered = journal(folder, "records.jsonl")
    assert len(answered) == chat_server.calls
    assert 10 <= len(answered) < 40
    assert "30" in (folder / "report.md").read_text() or "missing" in (folder / "report.md").read_text()
    assert workspace.run("run", "suite.yaml", "--resume").code == 0
    assert workspace.folder() == folder
    assert chat_server.calls == 40
    assert len(rows(folder, "cases.csv")) == 40


def test_resume_asks_again_what_failed_and_what_changed(workspace: Workspace, chat_server: ChatServer) -> None:
    chat_server.answer = lambda body: (
        Reply({"error": {"message": "bad"}}, status=400)
        if last_user(body) == "n5"
        else Reply(completion(last_user(body)))
    )
    content = suite(10, ["a"])
    workspace.write("suite.yaml", content)
    workspace.write("models.yaml", models(chat_server, "a"))
    assert workspace.run("run", "suite.yaml").code == 3
    chat_server.requests.clear()
    chat_server.answer = lambda body: Reply(completion(last_user(body)))
    content["cases"][0]["vars"]["n"] = "changed"
    content["cases"][1]["expected"] = "else"
    content["cases"].append({"id": "new", "vars": {"n": "new"}, "expected": "new"})
    workspace.write("suite.yaml", content)
    refused = workspace.run("run", "suite.yaml", "--resume")
    assert (refused.code, chat_server.calls) == (2, 0)
    assert "1 case added, 1 case altered" in refused.err
    assert workspace.run("run", "suite.yaml", "--resume", "--accept-changes").code == 0
    assert sorted(last_user(body) for body in chat_server.requests) == ["changed", "n5", "new"]
    table = {row["case_id"]: row for row in rows(workspace.folder(), "cases.csv")}
    assert len(table) == 11
    assert (table["c0"]["output"], table["c1"]["passed"], table["c5"]["passed"]) == ("changed", "false", "true")


def test_a_finished_run_resumes_without_a_call(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("suite.yaml", suite(5, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a"))
    assert workspace.run("run", "suite.yaml").code == 0
    before = (workspace.folder() / "models.csv").read_bytes()
    assert workspace.run("run", "suite.yaml", "--resume", workspace.folder().name).code == 0
    assert chat_server.calls == 5
    assert (workspace.folder() / "models.csv").read_bytes() == before


def test_a_second_process_leaves_a_run_under_way_as_it_is(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("suite.yaml", suite(30, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a", limits={"concurrency": 1}))
    second: list[Finished] = []

    def intrude_once(body: dict[str, Any]) -> Reply:
        if chat_server.calls == 10:
            second.append(workspace.run("run", "suite.yaml", "--resume", "--trials", "2"))
        return Reply(completion(last_user(body)))

    chat_server.answer = intrude_once
    assert workspace.run("run", "suite.yaml").code == 0
    assert second[0].code == 2
    assert "another evalkit process" in second[0].err
    assert len(rows(workspace.folder(), "cases.csv")) == len(journal(workspace.folder(), "scores.jsonl")) == 30


def test_a_run_of_another_suite_is_not_resumed(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("suite.yaml", suite(3, ["a"]))
    workspace.write("other.yaml", suite(3, ["a"]) | {"suite": "other"})
    workspace.write("models.yaml", models(chat_server, "a"))
    assert workspace.run("run", "suite.yaml").code == 0
    before = (workspace.folder() / "manifest.json").read_bytes()
    done = workspace.run("run", "other.yaml", "--resume", str(workspace.folder()))
    assert done.code == 2
    assert "'suite'" in done.err
    assert (workspace.folder() / "manifest.json").read_bytes() == before


def test_a_changed_function_is_asked_anew(workspace: Workspace) -> None:
    workspace.write("suite.yaml", suite(3, ["rules"]))
    workspace.write("models.yaml", "models:\n  rules: {provider: python, function: rules.py:answer}\n")
    workspace.write("rules.py", "def answer(vars):\n    return 'wrong'\n")
    assert workspace.run("run", "suite.yaml").code == 0
    workspace.write("rules.py", "def answer(vars):\n    return vars['n']\n")
    assert workspace.run("run", "suite.yaml", "--resume", "--accept-changes").code == 0
    assert rows(workspace.folder(), "models.csv")[0]["passed"] == "2"


def test_the_cost_follows_the_price_that_the_report_states(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("suite.yaml", suite(4, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a"))
    assert workspace.run("run", "suite.yaml").code == 0
    configured = models(chat_server, "a", price={"input": 1000.0, "output": 2000.0})
    workspace.write("models.yaml", configured)
    assert workspace.run("run", "suite.yaml", "--resume").code == 0
    assert chat_server.calls == 4
    (summary,) = rows(workspace.folder(), "models.csv")
    assert float(summary["cost_usd"]) == pytest.approx(4 * (10 * 1000 + 5 * 2000) / 1e6)
    billed = {"prompt_tokens": 1, "completion_tokens": 1, "cost": 9}
    chat_server.answer = lambda body: Reply(completion("x", usage=billed))
    assert workspace.run("run", "suite.yaml").code == 0
    assert float(rows(workspace.folder(), "models.csv")[0]["cost_usd"]) == 36


def test_a_complete_run_is_judged_again_without_its_server(workspace: Workspace, chat_server: ChatServer) -> None:
    content = suite(3, ["a"])
    workspace.write("suite.yaml", content)
    workspace.write("models.yaml", models(chat_server, "a"))
    assert workspace.run("run", "suite.yaml").code == 0
    content["cases"][0]["expected"] = "n0"
    workspace.write("suite.yaml", content)
    chat_server.close()
    assert workspace.run("run", "suite.yaml", "--resume", "--accept-changes").code == 0
    assert rows(workspace.folder(), "models.csv")[0]["passed"] == "3"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_leaves_does_not_stop_a_run(workspace: Workspace, chat_server: ChatServer, stream: str) -> None:
    workspace.write("suite.yaml", suite(6, ["a", "dead"]))
    configured = models(chat_server, "a")
    configured["models"]["dead"] = {"provider": "openai", "model": "x", "base_url": "http://127.0.0.1:9/v1"}
    workspace.write("models.yaml", configured)
    process = workspace.start("run", "suite.yaml")
    with process:
        getattr(process, stream).close()
        process.wait(timeout=60)
    assert process.returncode == 3
    assert (workspace.folder() / "report.md").exists()


def test_a_third_signal_ends_a_process_that_hangs(workspace: Workspace) -> None:
    workspace.write("suite.yaml", suite(1, ["spin"]))
    workspace.write("models.yaml", "models:\n  spin: {provider: python, function: spin.py:answer}\n")
    code = "import pathlib\nasync def answer(vars):\n    pathlib.Path('begun').touch()\n    while True:\n        pass\n"
    workspace.write("spin.py", code)
    process = workspace.start("run", "suite.yaml")
    wait_until((workspace.path / "begun").exists)
    sent = 0
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        sent += 1
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=3)
    assert (process.returncode, sent) == (130, 3)


def test_errors_are_told_on_the_screen_without_their_control_characters(
    workspace: Workspace, chat_server: ChatServer
) -> None:
    chat_server.answer = lambda _: Reply({"error": {"message": "\x1b]0;pwned\x07no \x1b[31mway"}}, status=400)
    workspace.write("suite.yaml", suite(2, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a"))
    done = workspace.run("run", "suite.yaml")
    assert done.code == 4
    assert "2 errors (invalid_request), e.g. case c0" in done.out
    assert "way" in done.out
    assert "\x1b" not in done.out + done.err


def test_a_report_can_be_written_anew(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("suite.yaml", suite(5, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a"))
    workspace.run("run", "suite.yaml")
    folder = workspace.folder()
    names = ("report.md", "models.csv", "cases.csv", "report.json")
    before = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        (folder / name).unlink()
    assert workspace.run("report", str(folder)).code == 0
    assert {name: (folder / name).read_bytes() for name in names} == before


def test_keys_reach_the_server_and_nothing_else(workspace: Workspace, chat_server: ChatServer) -> None:
    workspace.write("suite.yaml", suite(2, ["a"]))
    workspace.write("models.yaml", models(chat_server, "a", api_key_env="TEST_KEY"))
    done = workspace.run("run", "suite.yaml", TEST_KEY="sk-very-secret")
    assert done.code == 0
    assert chat_server.headers[0]["authorization"] == "Bearer sk-very-secret"
    written = [path for path in Path(workspace.path).rglob("*") if path.is_file()]
    assert len(written) > 5
    assert not [path for path in written if b"sk-very-secret" in path.read_bytes()]
    assert "sk-very-secret" not in done.out + done.err
