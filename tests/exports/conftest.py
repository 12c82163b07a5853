"""What the tests of exports share."""

from __future__ import annotations

import json

import pytest

from evalkit.exports.export import export_to
from evalkit.exports.options import ExportOptions
from evalkit.suite import load_suite


@pytest.fixture
def suite_of(tmp_path):
    """Write and load a suite of these cases."""
    made = []

    def suite(cases, template="{{ text }}", scorers=("exact",), **settings):
        folder = tmp_path / f"suite{len(made)}"
        folder.mkdir()
        made.append(folder)
        (folder / "models.yaml").write_text("models: {gpt: {provider: openai, model: gpt-4o-mini}}")
        (folder / "cases.jsonl").write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases))
        content = {
            "suite": "tiny",
            "prompts": [{"name": "p", "messages": [{"user": template}]}],
            "models": ["gpt"],
            "scorers": list(scorers),
            "cases": [{"file": "cases.jsonl"}],
            **settings,
        }
        (folder / "suite.yaml").write_text(json.dumps({key: value for key, value in content.items() if value}))
        return load_suite(folder / "suite.yaml")

    return suite


@pytest.fixture
def exported(tmp_path):
    """Export, and return what came of it; under a new name each time."""
    made = []

    def export(source, name, *, file=None, **options):
        made.append(name)
        out = (
            tmp_path
            / f"out{len(made)}"
            / (file or ({"promptfoo": "folder", "openai-evals": "folder", "inspect": "x.jsonl"}.get(name, f"x.{name}")))
        )
        allow = options.pop("allow_partial", False)
        return export_to(source, out, name, ExportOptions(**options), allow_partial=allow)

    return export
