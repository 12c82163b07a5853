import io
from dataclasses import replace

import pytest
from rich.console import Console

from evalkit.analysis import analyse, load_run
from evalkit.report.terminal import summary_table
from evalkit.runner.manifest import ManifestPrompt


@pytest.fixture
def show(run_folder):
    written = {}

    def show(*, width=80, encoding="utf-8", **options):
        if repr(options) not in written:
            written[repr(options)] = analyse(load_run(run_folder.write(**options)))
        run = written[repr(options)]
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        Console(file=file, width=width, color_system=None).print(summary_table(run.models, width))
        file.flush()
        return file.buffer.getvalue().decode(encoding).splitlines()

    return show


def test_one_line_per_candidate_at_80_columns(show, error_on):
    lines = show(change=error_on("small", {"case-001"}))
    assert len(lines) == 2 + 3
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["model", "passed", "95", "%", "errors", "p50", "p95", "$/1k"]
    assert lines[2].split()[0] == "small"
    assert lines[2].split()[-1] == "n/a"
    assert lines[3].split()[-1] == "0.027"


def test_missing_calls_get_a_column(show):
    lines = show(n=3, change=lambda record, score: (None, None) if record.model == "rules" else (record, score))
    assert "missing" in lines[0]
    assert lines[4].split()[:4] == ["rules", "n/a", "n/a", "0"]


def test_several_prompts_are_told_apart(show):
    text = "\n".join(show(n=3, width=120, prompts=(ManifestPrompt("zero", "z" * 8), ManifestPrompt("few", "f" * 8))))
    assert "small / zero" in text
    assert "small / few" in text


def test_plain_terminals_get_plain_characters(show):
    assert "\n".join(show(n=3, encoding="ascii")).isascii()


LONG = "someone/a-very-long-name-of-a-model"


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_terminal_keeps_names_readable_and_loses_figures(show, run_folder, width):
    model = replace(run_folder.manifest().models[0], name=LONG)
    lines = show(width=width, models=(model,), change=lambda record, score: (record, score))
    assert max(map(len, lines)) <= width
    assert {"model", "passed"} <= set(lines[0].split())
    parts = [line[:16].split()[0] for line in lines[2:]]
    assert "".join(parts)[:16] == LONG[:16]
    assert len(lines) <= 2 + 3


def test_figures_go_in_the_order_of_their_weight(show):
    titles = ["model", "passed", "95 %", "errors", "p50", "p95", "$/1k"]
    shown = [[title for title in titles if title in show(width=width, n=3)[0]] for width in range(70, 20, -1)]
    gone = {tuple(title for title in titles if title not in line): None for line in shown}
    assert list(gone) == [
        (),
        ("$/1k",),
        ("p50", "$/1k"),
        ("95 %", "p50", "$/1k"),
        ("95 %", "p50", "p95", "$/1k"),
        ("95 %", "errors", "p50", "p95", "$/1k"),
    ]
