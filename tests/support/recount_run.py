"""A run folder as one pandas table, read without evalkit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd


def lines(path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return [row for row in rows if "session" not in row]


class Run:
    """A run folder as one table, a row for each planned call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self.cases = lines(folder / "cases.jsonl")
        self.trials = self.manifest["trials"]
        self.models = {model["name"]: model for model in self.manifest["models"]}
        prompts = [prompt["name"] for prompt in self.manifest["prompts"]]
        self.candidates = [(model, prompt) for model in self.models for prompt in prompts]
        self.tags = {case["id"]: case["tags"] for case in self.cases}
        self.cluster = self.manifest["cluster"]
        self.calls = self._calls()

    def _calls(self) -> pd.DataFrame:
        records = {
            (row["model"], row["prompt"], row["case_id"], row["trial"]): row
            for row in lines(self.folder / "records.jsonl")
        }
        scores = {row["call_id"]: row for row in lines(self.folder / "scores.jsonl")}
        rows = []
        for model, prompt in self.candidates:
            for trial in range(1, self.trials + 1):
                for case in self.cases:
                    record = records.get((model, prompt, case["id"], trial))
                    rows.append(self._call(model, prompt, case, record, scores.get(record and record["call_id"])))
        return pd.DataFrame(rows)

    def _call(
        self, model: str, prompt: str, case: Mapping[str, Any], record: Any, score: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        answered = record is not None and record["error"] is None
        usage = record["usage"] if answered else {}
        return {
            "model": model,
            "prompt": prompt,
            "case": case["id"],
            "group": f"{case['vars'][self.cluster]}" if self.cluster else case["id"],
            "record": record,
            "answered": answered,
            "error": record["error"]["kind"] if record and record["error"] else None,
            "finished": record is not None and (not answered or score is not None),
            "verdict": score if answered else None,
            "passed": bool(answered and score and score["passed"]),
            "value": float(score["value"]) if answered and score else 0.0,
            "latency": record["latency_ms"] if answered else None,
            "ttft": record["ttft_ms"] if answered else None,
            "client": record["client_ms"] if answered else None,
            "said": (record["output"] or "").strip() if answered else None,
            "input": usage.get("input"),
            "output": usage.get("output"),
            "cached": usage.get("cached_input"),
            "cost": self._cost(self.models[model], record) if answered else None,
        }

    def _cost(self, model: Mapping[str, Any], record: Mapping[str, Any]) -> float | None:
        price, usage = model["price"], record["usage"]
        if price is None:
            return record["cost_usd"]
        fresh = usage["input"] - (usage["cached_input"] or 0)
        cached = price["input"] if price["cached_input"] is None else price["cached_input"]
        total = fresh * price["input"] + (usage["cached_input"] or 0) * cached + usage["output"] * price["output"]
        return total / 1e6

    def of(self, candidate: tuple[str, str]) -> pd.DataFrame:
        return self.calls[(self.calls["model"] == candidate[0]) & (self.calls["prompt"] == candidate[1])]


def moment(text: str) -> float:
    return pd.Timestamp(text).timestamp()
