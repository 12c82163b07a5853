"""Results as other tools write them: small files in the shapes that readers must know."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def promptfoo_row(test: int = 0, prompt: int = 0, *, passed: bool = True, **more: Any) -> Row:
    """A result of version 3: one test, one prompt number, and what came of it."""
    return {
        "testIdx": test,
        "promptIdx": prompt,
        "provider": {"id": f"acme:model-{prompt}", "label": ""},
        "prompt": {"raw": f"Say {test}", "label": "Say {{n}}"},
        "vars": {"n": test},
        "testCase": {"vars": {"n": test}, "assert": []},
        "response": {"output": str(test), "tokenUsage": {"prompt": 3, "completion": 2, "total": 5}, "cost": 0.5},
        "success": passed,
        "score": 1 if passed else 0,
        "failureReason": 0 if passed else 1,
        "latencyMs": 100 + test,
        "gradingResult": {
            "pass": passed,
            "score": 1 if passed else 0,
            "componentResults": [
                {"pass": passed, "score": float(passed), "reason": "so", "assertion": {"type": "equals", "value": "1"}}
            ],
        },
        **more,
    }


def promptfoo_export(path: Path, rows: Iterable[Any], **more: Any) -> Path:
    """A file as `promptfoo eval -o out.json` writes it."""
    found = list(rows)
    numbers = sorted({row.get("promptIdx", 0) for row in found if isinstance(row, dict)})
    prompts = [{"raw": "Say {{n}}", "label": "Say {{n}}", "provider": f"acme:model-{number}"} for number in numbers]
    inner = {"version": 3, "timestamp": "2025-10-01T20:08:11.168Z", "prompts": prompts, "results": found}
    path.write_text(json.dumps({"evalId": "eval-x", "results": inner, "config": {}, **more}))
    return path


def inspect_sample(name: str | int = 1, epoch: int = 1, value: Any = "C", **more: Any) -> Row:
    """A sample of one scorer."""
    return {
        "id": name,
        "epoch": epoch,
        "input": f"Question {name}?",
        "target": "Yes",
        "output": {
            "model": "tiny-1",
            "choices": [{"message": {"role": "assistant", "content": "Yes"}, "stop_reason": "stop"}],
            "usage": {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12},
            "time": 0.5,
        },
        "scores": {"match": {"value": value, "answer": "Yes"}},
        **more,
    }


def inspect_header(model: str = "acme/tiny", epochs: int = 1, **more: Any) -> Row:
    """A log without its samples."""
    told = {
        "task": "yes",
        "model": model,
        "created": "2025-07-05T09:59:48-04:00",
        "config": {"epochs": epochs},
        "packages": {"inspect_ai": "0.3.100"},
        "scorers": [{"name": "match"}],
    }
    return {"version": 2, "status": "success", "eval": told, "plan": {"steps": []}, "results": {}, "stats": {}, **more}


def inspect_json(path: Path, samples: Iterable[Any], header: Mapping[str, Any] | None = None) -> Path:
    """A log as one JSON document."""
    path.write_text(json.dumps({**(header or inspect_header()), "samples": list(samples)}))
    return path


def inspect_eval(path: Path, samples: Iterable[Row], header: Mapping[str, Any] | None = None, *, zstd: bool) -> Path:
    """A log as an archive; its members packed by Zstandard, or deflated."""
    members = {"header.json": json.dumps(header or inspect_header())}
    for sample in samples:
        members[f"samples/{sample['id']}_epoch_{sample['epoch']}.json"] = json.dumps(sample)
    if zstd:
        path.write_bytes(zstd_archive({name: text.encode() for name, text in members.items()}))
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def zstd_archive(members: Mapping[str, bytes]) -> bytes:
    """A ZIP archive of the method 93, which `zipfile` cannot write."""
    import zstandard

    body, directory = b"", b""
    for name, content in members.items():
        packed = zstandard.ZstdCompressor().compress(content)
        sizes = (zlib.crc32(content), len(packed), len(content), len(name.encode()), 0)
        local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 63, 0, 93, 0, 0x5B21, *sizes)
        directory += (
            struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 63, 63, 0, 93, 0, 0x5B21, *sizes, 0, 0, 0, 0, len(body))
            + name.encode()
        )
        body += local + name.encode() + packed
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + end


def lm_eval_row(document: int = 0, *, right: bool = True, **more: Any) -> Row:
    """A sample of a task whose answers are generated."""
    return {
        "doc_id": document,
        "doc": {"question": f"{document}+{document}?"},
        "target": str(2 * document),
        "arguments": {"gen_args_0": {"arg_0": f"{document}+{document}?", "arg_1": {"until": ["\n"]}}},
        "resps": [[f"It is {2 * document}."]],
        "filtered_resps": [str(2 * document)],
        "filter": "none",
        "metrics": ["exact_match"],
        "exact_match": float(right),
        **more,
    }


def lm_eval_choice(document: int, likely: int, **more: Any) -> Row:
    """A sample of a multiple-choice task: the model finds one of three answers the likeliest."""
    choices = [" yes", " no", " maybe"]
    told = [[[str(-0.1 if place == likely else -2.0), "False"]] for place in range(len(choices))]
    return {
        "doc_id": document,
        "doc": {"question": f"q{document}"},
        "target": "1",
        "arguments": {f"gen_args_{place}": {"arg_0": "Q", "arg_1": choice} for place, choice in enumerate(choices)},
        "resps": told,
        "filtered_resps": [one[0] for one in told],
        "filter": "none",
        "metrics": ["acc", "acc_norm"],
        "acc": float(likely == 1),
        "acc_norm": 1.0,
        **more,
    }


def lm_eval_file(folder: Path, task: str, rows: Iterable[Any], date: str = "2025-01-02T03-04-05.678901") -> Path:
    """A file of samples in a model's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"samples_{task}_{date}.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path
