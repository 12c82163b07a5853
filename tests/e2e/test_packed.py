"""A run says the same packed and as it was: to every command, to the web app, from Python."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest
from chat_server import ChatServer, Reply, completion, last_user

import evalkit
from evalkit.cli import main
from evalkit.runner.packed import packed_parts

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("packed")]  # one run serves all tests

Command: TypeAlias = Callable[..., "Said"]

LABELS = ("a0", "a1", "a2")
MODELS = {"m": ("cheap", 1), "n": ("strong", 20), "j": ("judge", 3)}
CASES = [
    {
        "id": f"c{n}",
        "vars": {"n": f"q{n}", "source": f"s{n // 2}"},
        "expected": LABELS[n % 3],
        "tags": [f"t{n % 2}", "all"],
    }
    for n in range(14)
]
SUITE: dict[str, Any] = {
    "suite": "s",
    "models": ["m", "n"],
    "prompts": [{"name": "p", "template": "Say {{ n }}"}],
    "trials": 2,
    "cluster": "source",
    "judge": "j",
    "decide": {"require": {"pass_rate": ">= 0.1"}},
    "gate": {"max_drop": 0.3},
    "scorers": [{"judge": {"rubric": "Is it good?"}}, "exact", {"label": {"labels": [*LABELS]}}],
    "cases": [{"file": "cases.jsonl"}],
}
ODD = 'not sure: "x"\\, half of a pair \ud83d, a line\u2028end\r\n \x00'
TIME = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.+]+")


class Crowd:
    """Answers as two candidates and a judge; an answer hangs on what was asked, and on how often it was before."""

    def __init__(self) -> None:
        self.all_there = False
        self._asked: Counter[tuple[str, str]] = Counter()

    def __call__(self, body: dict[str, Any]) -> Reply:
        model, text = body["model"], last_user(body)
        usage = {"prompt_tokens": 10 + len(text), "completion_tokens": 5 + len(text) % 7, "total_tokens": 0}
        if model == "judge":
            said = {"reason": "be\u2028cause", "verdict": "fail" if "\na2\n" in text else "pass"}
            return Reply(completion(json.dumps(said), usage=usage))
        number = int(text.removeprefix("Say q"))
        if number == 5 or (number == 6 and not self.all_there):
            return Reply({"error": {"message": f"no {number}"}}, status=400)
        self._asked[model, text] += 1
        right = (number + self._asked[model, text]) % (4 if model == "strong" else 3)
        return Reply(completion(LABELS[number % 3] if right else ODD, usage=usage))


class Said(NamedTuple):
    """How a command ended, what it printed, and what its folder then held."""

    code: int
    out: str
    err: str
    files: dict[str, bytes]


class Pair(NamedTuple):
    """Two folders that differ in one thing: in the second one, all runs were compacted."""

    plain: Path
    packed: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Make two runs, the first of which was resumed, and compact copies of them."""
    home = tmp_path_factory.mktemp("both")
    pair = Pair(home / "plain", home / "packed")
    pair.plain.mkdir()
    server = ChatServer()
    server.answer = crowd = Crowd()
    row = {"provider": "openai", "base_url": server.url}
    models = {
        name: {**row, "model": model, "price": {"input": usd, "output": usd}} for name, (model, usd) in MODELS.items()
    }
    texts = {
        "models.yaml": json.dumps({"models": models}),
        "s.yaml": json.dumps(SUITE),
        "other.yaml": json.dumps({**SUITE, "scorers": [{"contains": "a1"}]}),
        "cases.jsonl": "".join(json.dumps(case) + "\n" for case in CASES),
        "people.csv": "case_id,model,trial,label\n"
        + "".join(f"c{n},m,1,{('pass', 'fail')[n % 2]}\n" for n in range(12)),
    }
    for name, text in texts.items():
        (pair.plain / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(pair.plain)
        _end(3, "run", "s.yaml", "-q")
        crowd.all_there = True
        _end(3, "run", "s.yaml", "-q", "--resume")
        _end(3, "run", "s.yaml", "-q")
        server.close()
        for name, folder in zip(("old", "new"), sorted(Path("results/s").glob("2*")), strict=True):
            folder.rename(folder.with_name(name))
        Path("results/s/latest").unlink()
        shutil.copytree(pair.plain, pair.packed)
        patch.chdir(pair.packed)
        for name in ("old", "new"):
            _end(0, "compact", f"results/s/{name}")
    return pair


def _end(code: int, *arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code in {code, code or None}


@pytest.fixture
def pair(made: Pair, tmp_path: Path) -> Pair:
    """Copy both folders, to be written to."""
    return Pair(*(shutil.copytree(folder, tmp_path / folder.name) for folder in made))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that carries out a command in a folder."""
    monkeypatch.setenv("COLUMNS", "160")

    def run(folder: Path, *arguments: str) -> Said:
        monkeypatch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        return Said(int(ended.value.code or 0), *capsys.readouterr(), files(folder))

    return run


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder but journals, packed or not; moments left out of manifests."""
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name: TIME.sub(b"T", path.read_bytes()) if path.name == "manifest.json" else path.read_bytes()
        for name, path in found.items()
        if not path.name.startswith(("records.", "scores.", "."))
    }


COMMANDS = {
    "report": ("report", "results/s/old"),
    "explained report": ("report", "results/s/old", "--explain"),
    "compare": ("compare", "old", "new", "-o", "out.md"),
    "compare, auto": ("compare", "old", "new", "--margin", "auto", "--json"),
    "compare models": ("compare", "old:m", "old:n", "--explain"),
    "decide": ("decide", "old", "-o", "out.md"),
    "decide, other rules": ("decide", "old", "-r", "tags.t0>=0.2", "--prefer", "latency_p95_ms", "--json"),
    "cost": ("cost", "old", "--requests-per-day", "50k", "-o", "out.md"),
    "cascade": ("cascade", "old", "--check", "label", "-o", "out.md"),
    "judge, sample": ("judge", "old", "--template", "out.csv"),
    "judge": ("judge", "old", "--labels", "people.csv", "--json"),
    "export jsonl": ("export", "old", "-o", "out.jsonl"),
    "export csv": ("export", "old", "-o", "out.csv"),
    "export parquet": ("export", "old", "-o", "out.parquet"),
    "export newest": ("export", "s", "-o", "out.csv"),
    "lint": ("lint", "s.yaml", "--json"),
    "baseline": ("baseline", "old", "--allow-incomplete"),
    "score": ("score", "results/s/old"),
    "score, other suite": ("score", "results/s/old", "--suite", "other.yaml"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_command_says_and_writes_the_same(pair: Pair, command: Command, words: tuple[str, ...]) -> None:
    plain, packed = (command(folder, *words) for folder in pair)
    assert packed == plain
    assert plain.code in {0, 3}, plain.err
    assert plain.out or len(plain.files) > len(files(pair.plain)), "it did nothing at all"
    assert packed_parts(pair.packed / "results" / "s" / "new") == ["records.jsonl", "scores.jsonl"]


def test_a_packed_run_is_held_against_what_was_frozen_of_another(pair: Pair, command: Command) -> None:
    plain, packed = (
        [command(folder, "baseline", "old", "--allow-incomplete"), command(folder, "gate", "new", "--json")]
        for folder in pair
    )
    assert packed == plain
    assert json.loads(plain[1].out)
    assert "results/s/new/gate.md" in plain[1].files


@pytest.mark.parametrize("more", [(), ("--gate",)])
def test_only_going_on_is_refused_and_nothing_changes(pair: Pair, command: Command, more: tuple[str, ...]) -> None:
    before = files(pair.packed)
    said = command(pair.packed, "run", "s.yaml", "--resume", "results/s/old", *more)
    assert said.code == 2
    assert "evalkit compact --undo results/s/old" in said.err
    assert said.files == before


def test_answers_looked_at_while_labelling_are_the_same(
    pair: Pair, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = pytest.importorskip("evalkit.labelling.app", reason="needs the extra `label`").LabelApp
    seen: list[Any] = []
    monkeypatch.setattr("evalkit.cli.labelling.somebody_there", lambda: True)
    monkeypatch.setattr(app, "run", lambda self, mouse: seen.append(self._view.answers))
    plain, packed = (command(folder, "label", "cases.jsonl", "-l", "a0,a1", "--answers", "old") for folder in pair)
    assert packed == plain
    assert seen[0] == seen[1]
    assert len(seen[0]) == len(CASES) - 1  # nobody answered c5


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/suites/s",
        "/runs/s/old",
        "/runs/s/old/progress.json",
        "/runs/s/old/cases.csv",
        "/compare?a=s/old&b=s/new",
        "/compare?a=s/old&a_candidate=0&b=s/old&b_candidate=1",
    ],
)
def test_the_web_app_shows_the_same(made: Pair, address: str) -> None:
    client = pytest.importorskip("starlette.testclient", reason="needs the extra `view`").TestClient
    from evalkit.view.app import make_app

    plain, packed = (client(make_app(folder / "results")).get(address) for folder in made)
    assert plain.status_code == 200
    assert packed.text.replace(str(made.packed), str(made.plain)) == plain.text


def test_python_sees_the_same(made: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    def seen(folder: Path) -> tuple[pd.DataFrame, Any]:
        monkeypatch.chdir(folder)
        old, new = evalkit.load_run("old"), evalkit.load_run("new")
        compared = evalkit.compare(old, new)
        return old.to_pandas(), [
            old.complete,
            old.cases,
            list(old.calls),
            replace(old.summary, folder=Path()),
            old.decide(),
            compared.pairs[0].flips,
        ]

    (plain_frame, plain), (packed_frame, packed) = map(seen, made)
    pd.testing.assert_frame_equal(packed_frame, plain_frame)
    assert len(plain_frame) == 2 * 2 * len(CASES)
    assert packed == plain
