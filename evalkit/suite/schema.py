"""The JSON Schema files of suites and prompts, published for editors and used to check structure.

`python -m evalkit.suite.schema` brings the generated parts of suite.schema.json up to date.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from evalkit.scorers import scorer_json_schema, steps_schema
from evalkit.suite.decide_rules import decide_schema


def suite_schema() -> dict[str, Any]:
    """Read the published schema of suite files."""
    return _read("evalkit.suite", "suite.schema.json")


def prompt_schema() -> dict[str, Any]:
    """Read the published schema of prompt files."""
    return _read("evalkit.suite", "prompt.schema.json")


def skeleton_schema() -> dict[str, Any]:
    """The suite's schema without what code checks: scorers and decision rules (better messages), cases (speed)."""
    schema = suite_schema()
    schema["$defs"] |= {"scorer": True, "decide": {"type": "object"}}
    del schema["properties"]["cases"]["items"]
    return schema


def tools_schema() -> dict[str, Any]:
    """The schema of a file of tools."""
    schema = suite_schema()
    definitions = {name: schema["$defs"][name] for name in ("tool", "function")}
    return {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/tool"}, "$defs": definitions}


def generated_suite_schema() -> str:
    """The text of the suite's schema: scorers, decision rules, params and messages from where they are read."""
    params = _read("evalkit.models", "params.schema.json")
    generated = {
        "params": {key: value for key, value in params.items() if key not in ("$schema", "title")},
        "scorer": scorer_json_schema(),
        "extract": steps_schema(),
        "decide": decide_schema(),
        **prompt_schema()["$defs"],
    }
    schema = suite_schema()
    schema["$defs"] |= generated
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _read(package: str, name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(resources.files(package).joinpath(name).read_text(encoding="utf-8"))
    return schema


if __name__ == "__main__":
    Path(__file__).with_name("suite.schema.json").write_text(generated_suite_schema(), encoding="utf-8")
