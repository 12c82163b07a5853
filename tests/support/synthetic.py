"""Large run folders, written line by line: what a run of many calls would have left behind."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from stored import store_run

from evalkit.runner.manifest import Manifest, encode_case, read_manifest
from evalkit.runner.plan import call_id, case_fingerprint
from evalkit.types import Case

_ANSWER = (
    '{{"call_id":"{id}","model":"{model}","prompt":"p","case_id":"{case}","trial":{trial},"output":"{output}",'
    '"tool_calls":[],"finish_reason":"stop","finish_reason_raw":"stop","logprobs":null,"usage":{{"input":{input},'
    '"cached_input":0,"cache_write":null,"output":{tokens},"reasoning":null}},"queue_ms":{queue},"retry_ms":0.0,'
    '"ttft_ms":{ttft},"latency_ms":{latency},"client_ms":{client},"server_ms":{{}},"attempts":1,'
    '"served_model":"{model}-2026","fingerprint":null,"cost_usd":{cost!r},"billed":false,"dropped_params":[],'
    '"turns":[],"error":null,"started_at":"2026-11-23T{hour:02}:{minute:02}:{second:02}.{micro:06}+00:00"}}\n'
)
_ERROR = (
    '{{"call_id":"{id}","model":"{model}","prompt":"p","case_id":"{case}","trial":{trial},"output":null,'
    '"tool_calls":[],"finish_reason":null,"finish_reason_raw":null,"logprobs":null,"usage":{{"input":null,'
    '"cached_input":null,"cache_write":null,"output":null,"reasoning":null}},"queue_ms":{queue},"retry_ms":700.5,'
    '"ttft_ms":null,"latency_ms":null,"client_ms":null,"server_ms":{{}},"attempts":4,"served_model":null,'
    '"fingerprint":null,"cost_usd":null,"billed":false,"dropped_params":[],"turns":[],"error":{{"kind":"server",'
    '"message":"the server answered 503 to {case}","status":503}},'
    '"started_at":"2026-11-23T{hour:02}:{minute:02}:{second:02}.{micro:06}+00:00"}}\n'
)
_SCORE = (
    '{{"call_id":"{id}","passed":{passed},"value":{value},"verdicts":[{{"scorer":"exact","weight":1.0,'
    '"value":{value},"passed":{passed},"reason":"{reason}","details":{{}}}}]}}\n'
)


def store_synthetic(folder: Path, cases: int, models: Sequence[str], *, trials: int = 1, seed: int = 0) -> Path:
    """Write a run of so many cases by these models, and return its folder; the same for the same seed.

    Models are interleaved, as they are when asked side by side. Some nine in ten answers pass, one in 200 is an error.
    """
    store_run(folder, {name: {"c0": None} for name in models}, suite="synthetic", trials=trials)
    row = json.loads((folder / "manifest.json").read_text())
    row["selection"]["cases"] = cases
    (folder / "manifest.json").write_text(json.dumps(row))
    manifest, drawn = read_manifest(folder), random.Random(seed)
    with (
        (folder / "cases.jsonl").open("w") as kept,
        (folder / "records.jsonl").open("w") as records,
        (folder / "scores.jsonl").open("w") as scores,
    ):
        records.write('{"session":{"started_at":"2026-11-23T00:00:00+00:00"}}\n')
        for number in range(cases):
            case = Case(f"c{number}", {"n": f"n{number}"}, f"answer {number}", (f"t{number % 5}",))
            kept.write(encode_case(case))
            for record, score in _rows(manifest, case, number, drawn):
                records.write(record)
                scores.write(score)
    return folder


def _rows(manifest: Manifest, case: Case, number: int, drawn: random.Random) -> Iterator[tuple[str, str]]:
    asked = case_fingerprint(case)
    for trial in range(1, manifest.trials + 1):
        for place, model in enumerate(manifest.models):
            latency = drawn.lognormvariate(6 + place / 10, 0.5)
            passed = drawn.random() < 0.9 - place / 50
            fields = {
                "id": call_id(model, manifest.prompts[0], asked, trial),
                "model": model.name,
                "case": case.id,
                "trial": trial,
                "output": f"answer {number if passed else number + 1}",
                "input": 200 + number % 97,
                "tokens": 20 + number % 13,
                "queue": round(drawn.random(), 3),
                "ttft": round(latency / 5, 3),
                "latency": round(latency, 3),
                "client": round(drawn.random() / 2, 3),
                "cost": (200 + number % 97) * 1e-6,
                "hour": number // 300000 % 24,
                "minute": number // 5000 % 60,
                "second": number // 83 % 60,
                "micro": number * 7919 % 1000000,
            }
            if drawn.random() < 0.005:
                yield _ERROR.format(**fields), ""
                continue
            reason = "" if passed else f"expected answer {number}, got answer {number + 1}"
            verdict = {"passed": "true", "value": "1.0"} if passed else {"passed": "false", "value": "0.0"}
            yield _ANSWER.format(**fields), _SCORE.format(**fields, **verdict, reason=reason)
