"""Whatever is done to a file of results: it is read, or refused in words. What is read can be stored and reported."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from foreign import (
    inspect_eval,
    inspect_header,
    inspect_json,
    inspect_sample,
    lm_eval_choice,
    lm_eval_file,
    lm_eval_row,
    promptfoo_export,
    promptfoo_row,
)

from evalkit.analysis import analyse, load_run
from evalkit.errors import ConfigError
from evalkit.imports import inspect_logs, lm_eval, promptfoo_results
from evalkit.imports.draft import DraftRun
from evalkit.imports.options import ImportOptions
from evalkit.imports.store import store
from evalkit.report.markdown import markdown

TIMES = 12
ODD = [None, True, False, 0, -1, 1, 7, 1e308, 10**30, 0.5, "", "x", "C", "\ud800", "\x00", "2025-13-45", "NaN"]
ODD += [[], [[]], {}, {"a": {}}, [None], {"value": {"x": [1, "C"]}}, "attachment://x", ["x"] * 3]

Read = Callable[[Path, ImportOptions], DraftRun]


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of runs are written, and none of them has to outlast the machine."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def _promptfoo(folder: Path) -> Path:
    rows = [promptfoo_row(test, prompt, passed=test > 0) for test in range(3) for prompt in range(2)]
    return promptfoo_export(folder / "out.json", rows, metadata={"promptfooVersion": "0.1"})


def _promptfoo_lines(folder: Path) -> Path:
    path = folder / "out.jsonl"
    path.write_text("".join(json.dumps(promptfoo_row(test)) + "\n" for test in range(4)))
    return path


def _promptfoo_table(folder: Path) -> Path:
    path = folder / "output.txt"
    path.write_text("│ Say {{n}} │ n │\n├──┤\n│ [PASS] 1  │ 1 │\n├──┤\n│ [FAIL] 2  │ 2 │\n└──┘\n")
    return path


def _samples() -> list[dict[str, Any]]:
    event = {"event": "model", "model": "acme/tiny", "output": {"time": 0.25}}
    more = {"events": [event], "model_usage": {"acme/tiny": {"input_tokens": 3}}, "started_at": "2025-01-01T00:00:00"}
    return [inspect_sample(name, epoch, **more) for name in ("a", 2) for epoch in (1, 2)]


def _inspect_json(folder: Path) -> Path:
    return inspect_json(folder / "log.json", _samples(), inspect_header(epochs=2))


def _inspect_zstd(folder: Path) -> Path:
    return inspect_eval(folder / "log.eval", _samples(), inspect_header(epochs=2), zstd=True)


def _inspect_deflated(folder: Path) -> Path:
    return inspect_eval(folder / "log.eval", _samples(), inspect_header(epochs=2), zstd=False)


def _lm_eval(folder: Path) -> Path:
    rows = [*map(lm_eval_row, range(3)), *(lm_eval_choice(at, at) for at in range(3))]
    path = lm_eval_file(folder / "org__tiny", "sums", rows)
    results = {"model_name": "m", "config": {"model": "hf"}, "n-shot": {"sums": 1}, "date": 1735787000.5}
    (path.parent / "results_2025-01-02T03-04-05.678901.json").write_text(json.dumps(results))
    return path


SOURCES: list[tuple[Read, Callable[[Path], Path]]] = [
    (promptfoo_results.read, _promptfoo),
    (promptfoo_results.read, _promptfoo_lines),
    (promptfoo_results.read, _promptfoo_table),
    (inspect_logs.read, _inspect_json),
    (inspect_logs.read, _inspect_zstd),
    (inspect_logs.read, _inspect_deflated),
    (lm_eval.read, _lm_eval),
]
IDS = [make.__name__.strip("_") for _, make in SOURCES]


def survives(read: Read, source: Path, results: Path, *, report: bool) -> bool:
    """Read a file and do with it what the command does; whether it could be read."""
    try:
        draft = read(source, ImportOptions())
    except ConfigError:
        return False
    summary = analyse(load_run(store(draft, results)))
    assert summary.planned == len(draft.models) * len(draft.prompts) * len(draft.cases) * draft.trials
    if report:
        assert markdown(summary)
    return True


def damaged(raw: bytes, chance: random.Random) -> bytes:
    """The same cut short, with some bytes changed, or a part of it twice."""
    kind, at = chance.randrange(4), chance.randrange(len(raw))
    if kind == 0:
        return raw[:at]
    if kind == 1:
        return raw[:at] + raw[max(0, at - chance.randrange(200)) :]
    changed = bytearray(raw)
    for _ in range(1 if kind == 2 else 20):
        changed[chance.randrange(len(raw))] = chance.randrange(256)
    return bytes(changed)


def twisted(data: Any, chance: random.Random) -> Any:
    """The same with a value somewhere inside replaced by an odd one, or left out."""
    data = copy.deepcopy(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        holder, key = chance.choice(list(places(data)))
        if chance.random() < 0.2 and isinstance(holder, dict):
            holder.pop(key, None)
        else:
            holder[key] = copy.deepcopy(chance.choice(ODD))
    return data


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every place inside of a value."""
    found = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, item in list(found):
        yield data, key
        yield from places(item)


@pytest.mark.parametrize(("read", "make"), SOURCES, ids=IDS)
def test_damaged_bytes(tmp_path: Path, read: Read, make: Callable[[Path], Path]) -> None:
    source, chance = make(tmp_path), random.Random(8)
    raw = source.read_bytes()
    assert survives(read, source, tmp_path / "results", report=True)
    for _ in range(TIMES):
        source.write_bytes(damaged(raw, chance))
        survives(read, source, tmp_path / "results", report=False)


@pytest.mark.parametrize(("read", "make"), [one for one in SOURCES if one[1] is not _promptfoo_table])
def test_odd_values(tmp_path: Path, read: Read, make: Callable[[Path], Path]) -> None:
    source, chance = make(tmp_path), random.Random(9)
    read_any = 0
    for number in range(TIMES):
        if source.suffix == ".eval":
            inspect_eval(
                source,
                [sample | {"id": at, "epoch": 1} for at, sample in enumerate(twisted(_samples(), chance)) if sample
                 and isinstance(sample, dict)],
                twisted(inspect_header(), chance),
                zstd="zstd" in make.__name__,
            )  # fmt: skip
        else:
            make(tmp_path)
            lines = source.suffix == ".jsonl"
            text = source.read_text()
            data = [json.loads(line) for line in text.splitlines()] if lines else json.loads(text)
            changed = twisted(data, chance)
            source.write_text("\n".join(map(json.dumps, changed)) if lines else json.dumps(changed))
        read_any += survives(read, source, tmp_path / "results", report=number % 10 == 0)
    assert read_any > TIMES / 4
