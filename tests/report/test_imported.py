"""A report of an imported run says so, and claims nothing that only evalkit's own runs can."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stored import store_run

from evalkit.analysis import analyse, load_run
from evalkit.report.alerts import terminal_lines
from evalkit.report.html.figures import facts
from evalkit.report.imported import imported_line
from evalkit.report.markdown import markdown
from evalkit.runner.manifest import Imported

SOURCE = Imported("promptfoo 0.118.10", "out*1*.json", "0123456789abcdef" * 4)


@pytest.fixture
def summary(tmp_path):
    """The figures of an imported run with an error and a case without an answer."""
    models = {"m": {"concurrency": 0}}
    verdicts = {"m": {"a": True, "b": "timeout", "c": None}}
    return analyse(load_run(store_run(tmp_path / "run", verdicts, models=models, imported=SOURCE)))


def test_the_report_says_where_the_run_comes_from(summary):
    text = markdown(summary)
    assert "Imported from out\\*1\\*.json, results of promptfoo 0.118.10: it asked the models" in text
    assert "- Imported: from `out*1*.json`, SHA-256 `0123456789ab`, results of promptfoo 0.118.10" in text
    assert "- Latency: as promptfoo 0.118.10 took it, of answers whose time it tells" in text
    assert "tokens and costs as it said them" in text


def test_nothing_is_said_of_how_evalkit_would_have_asked(summary):
    text = markdown(summary)
    assert "in flight" not in text
    assert "--resume" not in text
    assert "They cannot be asked again here, as another tool asked them." in text
    assert not any("in flight" in told for _, told in facts(summary))


def test_the_terminal_and_the_page_say_it_too(summary):
    assert next(iter(terminal_lines(summary))).startswith("Imported from out*1*.json, results of promptfoo")
    assert dict(facts(summary))["Imported"].startswith("Imported from out*1*.json")


def test_answers_that_were_judged_anew_are_not_said_to_be_judged_by_it(summary):
    manifest = replace(summary.manifest, rescored_at=("2026-01-01T00:00:00+00:00",))
    assert "it asked the models; their answers were judged anew. Times" in imported_line(manifest)


def test_a_run_of_evalkits_own_says_nothing_of_it(tmp_path):
    summary = analyse(load_run(store_run(tmp_path / "run", {"m": {"a": True}})))
    assert imported_line(summary.manifest) == ""
    text = markdown(summary)
    assert "mported" not in text
    assert "at most 1 call in flight" in text
