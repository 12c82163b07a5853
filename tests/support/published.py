"""Results that others published, as matrices of verdicts and as stored runs: beside the checkout, or nowhere."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from stored import store_run

from evalkit.types import Usage

Matrix: TypeAlias = dict[str, dict[str, bool | float]]
"""Per model and case id whether it passed, or a graded score of 0..1. All models have the same cases."""

MATRICES: Final = ("ifeval", "mmlu_pro", "zeroeval", "dcrouter", "routellm")


def matrix(name: str, shared: Path) -> Matrix:
    """Read one of MATRICES from the folder of fixtures. Cases are in the order of the file.

    ifeval: 6 models x 181 cases, all instructions followed by the strict reading; mmlu_pro: 10 x 402, the letter
    chosen is the answer; zeroeval: 6 x 200; dcrouter: 9 x 500, graded; routellm: mixtral and gpt4 x 500.
    """
    return _READERS[name](shared)


def matrix_run(folder: Path, name: str, shared: Path, **more: Any) -> Path:
    """Store one of MATRICES as a run; `more` is for `store_run`."""
    return store_run(folder, matrix(name, shared), **{"suite": name.replace("_", "-")} | more)


def _ifeval(shared: Path) -> Matrix:
    files = sorted((shared / "ifeval").glob("responses_*.jsonl"))
    return {
        file.stem.removeprefix("responses_"): {f"ifeval-{row['key']}": row["strict_all"] for row in _jsonl(file)}
        for file in files
    }


def _mmlu_pro(shared: Path) -> Matrix:
    rows = list(_csv(shared / "multiple_choice" / "mmlu_pro_matrix.csv"))
    models = [name for name in rows[0] if name not in {"question_id", "category", "answer"}]
    return {model: {f"mmlu-pro-{row['question_id']}": row[model] == row["answer"] for row in rows} for model in models}


def _zeroeval(shared: Path) -> Matrix:
    verdicts: Matrix = {}
    for row in _zeroeval_rows(shared):
        verdicts.setdefault(row["model"], {})[row["id"]] = bool(row["official_correct"])
    return verdicts


def _dcrouter(shared: Path) -> Matrix:
    rows = list(_jsonl(shared / "routing" / "dcrouter.jsonl"))
    return {
        model: {f"dcrouter-{number:03}": float(row["scores"][model]) for number, row in enumerate(rows)}
        for model in rows[0]["scores"]
    }


def _routellm(shared: Path) -> Matrix:
    rows = list(_csv(shared / "gsm8k" / "routellm_gsm8k.csv"))
    return {model: {row["id"]: row[f"{model}_correct"] == "1" for row in rows} for model in ("mixtral", "gpt4")}


_READERS: Final[Mapping[str, Callable[[Path], Matrix]]] = {
    "ifeval": _ifeval,
    "mmlu_pro": _mmlu_pro,
    "zeroeval": _zeroeval,
    "dcrouter": _dcrouter,
    "routellm": _routellm,
}


def zeroeval_run(folder: Path, shared: Path) -> Path:
    """Store the ZeroEval answers as a run of six models, two of which are Llama-3.1-405B at different hosts."""
    rows = list(_zeroeval_rows(shared))
    return store_run(
        folder,
        _zeroeval(shared),
        suite="zeroeval",
        expected={row["id"]: row["gold"] for row in rows},
        fields={(row["model"], row["id"]): {"output": row["output"]} for row in rows},
    )


DRIFTING: Final[Mapping[str, Mapping[str, str]]] = {
    "march": {"gpt-4": "gpt-4-0314", "gpt-3.5-turbo": "gpt-3.5-turbo-0301"},
    "june": {"gpt-4": "gpt-4-0613", "gpt-3.5-turbo": "gpt-3.5-turbo-0613"},
}
"""What the same two names served in two months of 2023."""

_MAX_TOKENS: Final = {"prime": 1000, "happy": 2000}
_TAGS: Final = {
    "prime": re.compile(r"\[(yes|no)\]", re.IGNORECASE),
    "happy": re.compile(r"\\boxed\{([^{}]*)\}"),
}


def drift_run(folder: Path, shared: Path, task: Literal["prime", "happy"], month: Literal["march", "june"]) -> Path:
    """Store the answers of a month as a run of gpt-4 and gpt-3.5-turbo: outputs, latencies, costs and output tokens."""
    served = {snapshot: name for name, snapshot in DRIFTING[month].items()}
    rows = [row for row in _csv(shared / "drift" / f"{task}.csv") if row["model"] in served]
    verdicts: Matrix = {}
    for row in rows:
        passed = _last_tag(task, row["answer"]) == _reference(task, row["ref_answer"])
        verdicts.setdefault(served[row["model"]], {})[f"{task}-{row['id']}"] = passed
    return store_run(
        folder,
        verdicts,
        suite=task,
        models={name: {"params": {"temperature": 0.1, "max_tokens": _MAX_TOKENS[task]}} for name in verdicts},
        case_vars={f"{task}-{row['id']}": {"question": row["query"]} for row in rows},
        expected={f"{task}-{row['id']}": row["ref_answer"] for row in rows},
        fields={(served[row["model"]], f"{task}-{row['id']}"): _drift_fields(row) for row in rows},
        run_id=folder.name,
        created_at={"march": "2023-03-14T00:00:00+00:00", "june": "2023-06-13T00:00:00+00:00"}[month],
    )


def _drift_fields(row: Mapping[str, str]) -> dict[str, Any]:
    return {
        "output": row["answer"],
        "latency_ms": 1000 * float(row["latency"]),
        "cost_usd": float(row["cost"]),
        "usage": Usage(output=int(row["answer_token"])),
        "served_model": row["model"],
    }


def _last_tag(task: str, text: str) -> str | None:
    tags = _TAGS[task].findall(text)
    return tags[-1].strip().lower() if tags else None


def _reference(task: str, text: str) -> str | None:
    return text.strip().lower() if task == "prime" else _last_tag(task, text)


def _zeroeval_rows(shared: Path) -> Iterator[Mapping[str, Any]]:
    for part in "ab":
        yield from _jsonl(shared / "gsm8k" / f"zeroeval_gsm_{part}.jsonl")


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
