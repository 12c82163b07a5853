"""report.html: one file that asks nothing of the network, for reading a run case by case.

What a model said is data: it travels as JSON in an element that no browser runs, and scripts show it as text. Whatever
is rendered here goes through a template that escapes it. A content security policy names the only scripts and styles
of the page by their hashes, and forbids scripts to make markup out of text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evalkit.analysis import RunSummary
from evalkit.report.html.charts import COST, P95, Amount, pass_rate_chart, trade_off_chart, unplaced
from evalkit.report.html.distribution import distributions
from evalkit.report.html.figures import (
    candidate_table,
    facts,
    headline,
    moment,
    pairs,
    reasons,
    remarks,
    tag_table,
    warnings,
)
from evalkit.report.html.history import PastRun, history
from evalkit.report.html.sample import CaseSample
from evalkit.report.html.svg import colour
from evalkit.report.labels import Labels
from evalkit.types import Json

if TYPE_CHECKING:
    from jinja2 import Template

_HERE: Final = Path(__file__).parent
_STYLES: Final = ("vendor/uPlot.min.css", "assets/page.css")
_LIBRARIES: Final = ("vendor/uPlot.iife.min.js", "vendor/diff.min.js")
_LICENCES: Final = {"uPlot": "vendor/uPlot.LICENSE", "jsdiff": "vendor/diff.LICENSE"}
_SCRIPTS: Final = ("dom", "theme", "latency", "cases", "table", "detail", "pairs", "main")
"""Parts of the page's own script, in the order in which they need each other."""
_UNSAFE: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
"""What could end the element that holds the data, or begin another one: JSON has another spelling for it."""


def html_report(run: RunSummary, sample: CaseSample, past: Sequence[PastRun] = ()) -> Iterator[str]:
    """The page, in parts.

    Args:
        run: its figures, the same as in report.md.
        sample: its cases, once all rows went by.
        past: the suite's runs over time, this one among them.
    """
    styles, scripts = _styles(), _scripts()
    held = sample.content()
    yield from _template().generate(
        policy=_policy(styles, scripts),
        styles=styles,
        scripts=scripts,
        data=_embedded(_data(run, sample, held)),
        run=run,
        began=moment(run.manifest.created_at),
        headline=headline(run),
        reasons=reasons(run),
        remarks=list(remarks(run)),
        warnings=warnings(run),
        candidates=candidate_table(run),
        pass_rates=pass_rate_chart(run),
        trade_offs=[chart for amount in (COST, P95) if (chart := _trade_off(run, amount))],
        tags=tag_table(run),
        pairs=pairs(run),
        history=history(past) if len(past) > 1 else None,
        facts=list(facts(run)),
        licences={name: _read(path) for name, path in _LICENCES.items()},
        left_out=held["left_out"],
        cases=len(held["cases"]),
        cases_left_out=held["cases_left_out"],
    )


def _trade_off(run: RunSummary, amount: Amount) -> dict[str, Json] | None:
    chart = trade_off_chart(run, amount)
    if not chart:
        return None
    # A front of a single candidate has no steps, and needs no words.
    front = 'class="front"' in chart
    return {"title": amount.title, "chart": chart, "unplaced": unplaced(run, amount), "front": front}


def _data(run: RunSummary, sample: CaseSample, held: dict[str, Json]) -> dict[str, Json]:
    """What the scripts show."""
    labels = Labels(run.models)
    return held | {
        "candidates": [{"name": labels.of(one), "prompt": one.prompt} for one in run.models],
        "colours": [colour(at) for at in range(len(run.models))],
        "prompts": {prompt.name: [list(turn) for turn in prompt.template] for prompt in run.manifest.prompts},
        "trials": run.manifest.trials,
        "graded": run.graded,
        "latency": distributions(sample.latencies_ms),
        "pairs": pairs(run),
    }


def _embedded(data: dict[str, Json]) -> str:
    """JSON that is safe inside a script element."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_UNSAFE)


@cache
def _styles() -> Sequence[str]:
    return tuple(_read(name) for name in _STYLES)


@cache
def _scripts() -> Sequence[str]:
    """The libraries as they are, and the page's own script in a scope of its own."""
    own = "\n".join(_read(f"assets/{name}.js") for name in _SCRIPTS)
    return (*map(_read, _LIBRARIES), f'(() => {{\n"use strict";\n{own}\n}})();\n')


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """Only these styles and scripts, and nothing from anywhere else."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {' '.join(map(_hash, styles))}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _template() -> Template:
    """Compiled once. What a template does not get is an error, not an empty place."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    files = FileSystemLoader(_HERE / "assets")
    environment = Environment(
        loader=files, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2")
