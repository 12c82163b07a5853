"""Runs on a Ray cluster of several nodes on this machine, whose workers and nodes die, through the command."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from kill_server import JUDGE, KillServer
from ray_nodes import Nodes, ray_nodes
from workspace import Workspace, wait_until, without
from workspace import rows as table

from evalkit.runner.journal import read_judgements, read_records, read_scores

pytest.importorskip("ray")
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("ray")]

FAST = Path(__file__).parents[1] / "bench" / "fast_server.py"
FIGURES_THAT_DIFFER = ("latency_ms", "ttft_ms", "queue_ms", "retry_ms")


@pytest.fixture
def server() -> Iterator[KillServer]:
    """Serve answers, and count questions."""
    server = KillServer()
    yield server
    server.close()


def write(workspace: Workspace, url: str, cases: int, *, models: int = 1, **row: Any) -> None:
    names = [f"m{number}" for number in range(models)]
    lines = [
        json.dumps({"id": f"c{n}", "n": f"n{n}", "expected": f"n{n}" if n % 3 else "else"}) + "\n" for n in range(cases)
    ]
    workspace.write("cases.jsonl", "".join(lines))
    workspace.write(
        "suite.yaml",
        {
            "suite": "suite",
            "prompts": [{"name": "p", "template": "{{ n }}"}],
            "models": names,
            "scorers": ["contains"],
            "cases": [{"file": "cases.jsonl"}],
        },
    )
    row = {"provider": "openai", "base_url": url, "limits": {"concurrency": 8}, **row}
    workspace.write("models.yaml", {"models": {name: {**row, "model": name} for name in names}})


def on(nodes: Nodes, workers: int, *more: str) -> tuple[str, ...]:
    address = ("--ray-address", nodes.address, "--ray-workers", str(workers))
    return ("run", "suite.yaml", "--no-stream", "--executor", "ray", *address, *more)


def answers(folder: Path) -> Counter[str]:
    return Counter(record.call_id for record in read_records(folder) if record.error is None)


def verdicts(folder: Path) -> dict[str, bool]:
    return {score.call_id: score.passed for score in read_scores(folder)}


def under_way(workspace: Workspace) -> Path:
    """The folder of the run that has just begun."""
    wait_until(lambda: bool(list((workspace.path / "results").glob("suite/*/parts"))))
    return next((workspace.path / "results").glob("suite/*/parts")).parent


def processes(folder: Path) -> list[int]:
    """The workers that have begun to write, by their process ids."""
    found = []
    for file in sorted(folder.glob("parts/*/records.jsonl")):
        first, end, _ = file.read_text().partition("\n")
        if end:
            found.append(int(json.loads(first)["session"]["process"]))
    return found


def test_the_same_report_as_one_machine_writes(workspace: Workspace, server: KillServer) -> None:
    write(workspace, server.url, 400, models=2)
    assert workspace.run("run", "suite.yaml", "--no-stream").code == 0
    alone = workspace.folder()
    with ray_nodes(2) as nodes:
        done = workspace.run(*on(nodes, 2))
    assert done.code == 0, done.err
    together = workspace.folder()
    assert alone != together
    assert without(table(alone, "cases.csv"), *FIGURES_THAT_DIFFER) == without(
        table(together, "cases.csv"), *FIGURES_THAT_DIFFER
    )
    assert verdicts(alone) == verdicts(together)
    assert server.asked == 4 * 400
    assert not (together / "parts").exists()


def test_20_000_calls_give_the_same_figures(workspace: Workspace) -> None:
    """Against the fastest server there is: all of report.json but times, and what was decided by them."""
    command = [sys.executable, str(FAST), "0", str(workspace.path / "own.json")]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    write(workspace, f"http://127.0.0.1:{int(server.stdout.readline())}/v1", 20_000, limits={"concurrency": 32})
    try:
        with ray_nodes(2) as nodes:
            folders = []
            for command in (("run", "suite.yaml", "--no-stream"), on(nodes, 2)):
                done = workspace.run(*command)
                assert done.code == 0, done.err
                folders.append(workspace.folder())
    finally:
        server.communicate()
    alone, together = (figures(json.loads((folder / "report.json").read_text())["models"][0]) for folder in folders)
    assert alone == together
    assert alone["cases"] == 20_000
    assert verdicts(folders[0]) == verdicts(folders[1])
    assert set(answers(folders[1]).values()) == {1}


def figures(row: dict[str, Any]) -> dict[str, Any]:
    """What a report says of a model, but for how long it took."""
    times = [name for name in row if name.startswith("latency") or name.endswith(("_ms", "_per_s"))]
    return {name: value for name, value in row.items() if name not in times}


def test_judges_are_asked_by_workers_and_once(workspace: Workspace, server: KillServer) -> None:
    write(workspace, server.url, 90, models=2)
    suite = json.loads((workspace.path / "suite.yaml").read_text())
    suite["scorers"] = [{"judge": {"rubric": "Odd?", "model": JUDGE}}]
    workspace.write("suite.yaml", suite)
    models = json.loads((workspace.path / "models.yaml").read_text())["models"]
    workspace.write("models.yaml", {"models": {**models, JUDGE: {**models["m0"], "model": JUDGE}}})
    with ray_nodes(2) as nodes:
        done = workspace.run(*on(nodes, 2))
    assert done.code == 0, done.err
    assert sum(verdicts(workspace.folder()).values()) == 90
    questions = [reply.call_id for reply in read_judgements(workspace.folder())]
    assert len(questions) == len(set(questions)) == server.judged == 90
    assert workspace.run("run", "suite.yaml", "--resume").code == 0
    assert (server.asked, server.judged) == (180, 90)


@pytest.mark.parametrize("by", ["address", "client"])
def test_a_worker_that_is_killed_costs_its_calls_in_flight(workspace: Workspace, server: KillServer, by: str) -> None:
    """Whether the driver is a part of the cluster, or reaches it by ray://."""
    write(workspace, server.url, 2000)
    with ray_nodes(2) as nodes:
        way = ("--ray-address", getattr(nodes, by), "--ray-workers", "2")
        process = workspace.start(
            "run", "suite.yaml", "--no-stream", "--executor", "ray", *way, RAY_AUTH_MODE="disabled"
        )
        folder = under_way(workspace)
        for count in (300, 900):
            wait_until(lambda count=count: server.asked > count and len(processes(folder)) >= 2)  # type: ignore[misc]
            alive = [one for one in processes(folder) if Path(f"/proc/{one}").exists()]
            os.kill(alive[0], signal.SIGKILL)
        _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert set(answers(folder).values()) == {1}
    assert len(answers(folder)) == len(verdicts(folder)) == 2000
    assert 2000 <= server.asked <= 2000 + 2 * 8


def test_a_node_that_fails_costs_its_calls_in_flight(workspace: Workspace, server: KillServer) -> None:
    write(workspace, server.url, 2000)
    with ray_nodes(3) as nodes:
        process = workspace.start(*on(nodes, 3))
        folder = under_way(workspace)
        wait_until(lambda: server.asked > 300 and len(processes(folder)) == 3)
        nodes.remove()
        _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert set(answers(folder).values()) == {1}
    assert len(answers(folder)) == len(verdicts(folder)) == 2000
    assert 2000 <= server.asked <= 2000 + 8


def test_there_and_back_again(workspace: Workspace, server: KillServer) -> None:
    """Begun here, continued on Ray until that is interrupted, ended here: nothing is asked twice."""
    write(workspace, server.url, 3000)
    process = workspace.start("run", "suite.yaml", "--no-stream")
    wait_until(lambda: server.asked > 300)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    before = server.asked
    assert 300 < before < 2500
    with ray_nodes(2) as nodes:
        process = workspace.start(*on(nodes, 2, "--resume"))
        wait_until(lambda: server.asked > before + 300)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "go on with: evalkit run suite.yaml" in out
        assert "--resume" in out
    assert server.asked < 3000
    done = workspace.run("run", "suite.yaml", "--no-stream", "--resume")
    assert done.code == 0, done.err
    folder = workspace.folder()
    assert server.asked == 3000
    assert len(answers(folder)) == len(verdicts(folder)) == 3000


def test_a_driver_that_is_killed_loses_nothing_that_was_paid_for(workspace: Workspace, server: KillServer) -> None:
    """The next run, here or there, takes over what the workers wrote until they noticed."""
    write(workspace, server.url, 2000)
    with ray_nodes(2) as nodes:
        process = workspace.start(*on(nodes, 2))
        wait_until(lambda: server.asked > 400)
        process.kill()
        process.communicate(timeout=60)
        folder = under_way(workspace)
        done = workspace.run("run", "suite.yaml", "--no-stream", "--resume")
    assert done.code == 0, done.err
    assert len(answers(folder)) == len(verdicts(folder)) == 2000
    assert server.asked <= 2000 + 8
    assert not (folder / "parts").exists()


def test_no_key_is_in_what_ray_keeps_or_shows(workspace: Workspace, chat_server: ChatServer) -> None:
    key = "sk-cluster-0123456789-abcdefXYZ-secret"
    write(workspace, chat_server.url, 60, api_key_env="SOME_KEY")
    with ray_nodes(2, dashboard=True) as nodes:
        process = workspace.start(*on(nodes, 2), SOME_KEY=key)
        wait_until(lambda: chat_server.calls >= 30)
        shown = [listed(nodes, kind) for kind in ("actors", "tasks", "jobs", "workers", "objects", "runtime-envs")]
        out, err = process.communicate(timeout=240)
        shown += [listed(nodes, kind) for kind in ("actors", "tasks")]
        assert process.returncode == 0, err
        files = [file for file in nodes.session.rglob("*") if file.is_file()]
        kept = [file.read_bytes() for file in files]
    assert any("WorkerActor" in text for text in shown)
    assert {headers.get("authorization") for headers in chat_server.headers} == {f"Bearer {key}"}
    ours = [file.read_bytes() for file in workspace.path.rglob("*") if file.is_file()]
    texts = [*kept, *ours, *(text.encode() for text in (*shown, out, err))]
    assert len(kept) > 10
    for form in (
        key.encode(),
        key.encode().hex().encode(),
        *(base64.b64encode(b"." * n + key.encode())[4:-8] for n in range(3)),
    ):
        assert not any(form in text for text in texts)


def listed(nodes: Nodes, kind: str) -> str:
    """What Ray's state API shows."""
    ray = Path(sys.executable).with_name("ray")
    command = [str(ray), "list", kind, "--detail", "--format", "json", "--limit", "1000", "--address", nodes.address]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


class Clocked(KillServer):
    """Notes when each question came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def count(self, question: tuple[str, str]) -> bytes | None:
        self.times.append(time.monotonic())
        return super().count(question)


def busiest_minute(times: list[float]) -> int:
    end = most = 0
    for start, first in enumerate(times):
        while end < len(times) and times[end] < first + 60.0:
            end += 1
        most = max(most, end - start)
    return most


def test_four_workers_keep_to_600_requests_a_minute(workspace: Workspace) -> None:
    server = Clocked()
    write(workspace, server.url, 900, limits={"concurrency": 32, "rpm": 600})
    with ray_nodes(2, 2) as nodes:
        done = workspace.run(*on(nodes, 4))
    server.close()
    assert done.code == 0, done.err
    assert len({record.call_id for record in read_records(workspace.folder())}) == 900
    assert busiest_minute(server.times) <= 606
    assert server.times[-1] - server.times[0] < 1.5 * 90  # late moments are given up, on a busy machine
    print(f"busiest minute: {busiest_minute(server.times)}; all in {server.times[-1] - server.times[0]:.1f} s")  # noqa: T201


def test_parts_on_an_s3_server(workspace: Workspace, server: KillServer, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    s3 = moto.ThreadedMotoServer("127.0.0.1", 0)
    s3.start()
    host, port = s3.get_host_and_port()
    place = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "none", "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    for name, value in {**place, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    import s3fs

    bucket = s3fs.S3FileSystem(use_listings_cache=False)
    bucket.mkdir("runs")

    def stored() -> int:
        names = [name for name in bucket.find("runs") if "/records-" in name]
        return sum(bucket.cat_file(name).count(b'{"call_id"') for name in names)

    write(workspace, server.url, 1500, limits={"concurrency": 2})
    with ray_nodes(2) as nodes:
        process = workspace.start(*on(nodes, 2, "--ray-storage", "s3://runs/evalkit"))
        wait_until(lambda: stored() > 300)
        process.kill()
        process.communicate(timeout=60)
        folder = under_way(workspace)
        assert not list(folder.glob("parts/*/records.jsonl"))
        time.sleep(5)  # until Ray has ended its workers
        before, kept = server.asked, stored()
        done = workspace.run(*on(nodes, 2, "--ray-storage", "s3://runs/evalkit", "--resume"))
        assert done.code == 0, done.err
    s3.stop()
    assert 300 < kept <= before < 1500
    assert len(answers(folder)) == len(verdicts(folder)) == 1500
    assert set(answers(folder).values()) == {1}
    assert server.asked == before + 1500 - kept
    assert not (folder / "parts").exists()
