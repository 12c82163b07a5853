"""A comparison as a markdown document and as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from evalkit.analysis.compare.answered import Answered, Change, Slowdown
from evalkit.analysis.compare.compared import CandidateComparison, RunComparison
from evalkit.analysis.compare.flips import Flip, Said
from evalkit.analysis.differences import Gap
from evalkit.analysis.paired import Difference
from evalkit.analysis.run_data import Candidate
from evalkit.report import format as fmt
from evalkit.report.compare import overview, pair_name, pair_sheets
from evalkit.report.markup import code, one_line, plain
from evalkit.report.sheets import sheets_markdown
from evalkit.runner.manifest import Manifest
from evalkit.types import Json

_TEXT: Final = 4000
"""Characters shown of an answer, an expected value or a reason in a file."""

HEADINGS: Final = ("Newly failing", "Newly passing")
"""Of the flipped cases, in this order: worse on B, better on B. With several trials: more or less often."""


def comparison_markdown(comparison: RunComparison) -> str:
    """All of a comparison as a document, with what both sides said to every flipped case."""
    parts = [sheets_markdown("B against A", sheets)] if (sheets := overview(comparison)) else []
    for pair in comparison.pairs:
        first, *rest = pair_sheets(comparison, pair)
        extra = "\n".join([*_diff(pair), *_flips(pair)])
        parts += [sheets_markdown(pair_name(comparison, pair), [replace(first, title=""), *rest]), extra]
    return "\n".join(part for part in parts if part)


def flips_by_direction(flips: Sequence[Flip]) -> list[tuple[str, list[Flip]]]:
    """The flipped cases under their headings, newly failing ones first; no empty ones."""
    groups = [[flip for flip in flips if (flip.change > 0) == better] for better in (False, True)]
    return [(heading, group) for heading, group in zip(HEADINGS, groups, strict=True) if group]


def times_passed(flip: Flip) -> str:
    """How often a case passed on both sides: 1/1 -> 0/1."""
    return f"{flip.old_passed}/{flip.old_finished} -> {flip.new_passed}/{flip.new_finished}"


def _diff(pair: CandidateComparison) -> list[str]:
    """The diff of the prompts in a fence that nothing in it can close."""
    if not pair.prompt.lines:
        return []
    lines = [one_line(line) for line in pair.prompt.lines]
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", "\n".join(lines))), default=0))
    return ["## Prompts", "", f"{fence}diff", *lines, fence, ""]


def _flips(pair: CandidateComparison) -> Iterator[str]:
    for heading, flips in flips_by_direction(pair.flips):
        yield from (f"## {heading}: {fmt.counted(len(flips), 'case')}", "")
        shown = [flip for flip in flips if flip.new]
        for flip in shown:
            tags = f" ({', '.join(map(plain, flip.tags))})" if flip.tags else ""
            yield f"- **{code(flip.case_id)}**{tags}: passed {times_passed(flip)}"
            if flip.expected is not None:
                yield f"  - expected: {code(flip.expected, _TEXT)}"
            yield from _said("A", flip.old)
            yield from _said("B", flip.new)
        if more := len(flips) - len(shown):
            yield f"- ... and {fmt.count(more)} more"
        yield ""


def _said(letter: str, said: Said | None) -> Iterator[str]:
    if said is None:
        return
    if said.error is not None:
        yield f"  - {letter}: {code(said.error, _TEXT)}"
    if said.output or not (said.error or said.tool_calls):
        yield f"  - {letter}: {code(said.output or '', _TEXT)}"
    if said.tool_calls:
        yield f"  - {letter}: {code(f'tool calls: {fmt.compact(list(said.tool_calls))}', _TEXT)}"
    for reason in said.reasons:
        yield f"    - {code(reason, _TEXT)}"


def comparison_json(comparison: RunComparison) -> Json:
    """All figures of a comparison, unrounded; answers are left to the markdown document."""
    return {
        "a": _run(comparison.old_run),
        "b": _run(comparison.new_run),
        "cases": {
            "common": len(comparison.cases.common),
            "only_a": list(comparison.cases.only_old),
            "only_b": list(comparison.cases.only_new),
            "asked_otherwise": list(comparison.cases.asked_otherwise),
            "expected_otherwise": list(comparison.cases.expected_otherwise),
        },
        "run_differences": [one._asdict() for one in comparison.run],
        "only_a": [_candidate(one) for one in comparison.only_old],
        "only_b": [_candidate(one) for one in comparison.only_new],
        "unmeasured": [{"a": _candidate(old), "b": _candidate(new)} for old, new in comparison.unmeasured],
        "pairs": [_pair(pair) for pair in comparison.pairs],
    }


def _run(run: Manifest) -> Json:
    return {"run_id": run.run_id, "suite": run.suite.name, "created_at": run.created_at, "evalkit": run.evalkit}


def _candidate(candidate: Candidate) -> Json:
    return dict(zip(("model", "prompt"), candidate, strict=True))


def _pair(pair: CandidateComparison) -> Json:
    return {
        "a": _candidate(pair.old)
        | {"pass_rate": pair.difference.second, "interval": list(pair.old_interval)}
        | _answers(pair.old_answers)
        | pair.old_complete._asdict(),
        "b": _candidate(pair.new)
        | {"pass_rate": pair.difference.first, "interval": list(pair.new_interval)}
        | _answers(pair.new_answers)
        | pair.new_complete._asdict(),
        "standing": str(pair.passes.standing),
        "pass_rate": _difference(pair.difference) | {"p_adjusted": pair.passes.p_holm},
        "score": _difference(pair.score) if pair.score else None,
        "margin": pair.margin,
        "verdict": pair.verdict and str(pair.verdict),
        "detectable_difference": pair.detectable,
        "latency": _slowdown(pair.latency),
        "output_tokens_per_case": _change(pair.output_tokens),
        "cost_usd_per_case": _change(pair.cost),
        "tags": [{"tag": one.tag, "cases": one.cases} | _gap(one.passes) for one in pair.tags],
        "tags_with_too_few_cases": list(pair.few_tags),
        "model_differences": [one._asdict() for one in pair.model],
        "same_prompt": pair.prompt.alike,
        "prompt_diff": list(pair.prompt.lines),
        "judged_apart": list(pair.judged_apart),
        "flips": [_flip(flip) for flip in pair.flips],
    }


def _answers(answers: Answered) -> dict[str, Any]:
    return {
        "served_models": answers.served_models,
        "fingerprints": answers.fingerprints,
        "finish_reasons": answers.finish_reasons,
        "scorers": sorted(answers.scorers),
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "cases": one.cases,
        "a": one.second,
        "b": one.first,
        "difference": one.difference,
        "interval": list(one.interval),
        "method": one.method,
        "p": one.p,
        "p_exact": one.p_exact,
        "better": one.better,
        "worse": one.worse,
        "with_errors": one.errors,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    found = asdict(gap)
    return found | {"interval": list(gap.interval), "standing": str(gap.standing)}


def _change(one: Change | None) -> Json:
    if one is None:
        return None
    return {
        "cases": one.cases,
        "a": one.old,
        "b": one.new,
        "difference": one.difference,
        "interval": list(one.interval),
        "p": one.p,
    }


def _slowdown(one: Slowdown | None) -> Json:
    if one is None:
        return None
    return {
        "cases": one.cases,
        "a": {name: value._asdict() for name, value in one.old.items()},
        "b": {name: value._asdict() for name, value in one.new.items()},
        "ratio": one.ratio,
        "interval": list(one.interval),
        "p": one.p,
    }


def _flip(flip: Flip) -> Json:
    return {
        "case_id": flip.case_id,
        "change": flip.change,
        "a": {"passed": flip.old_passed, "finished": flip.old_finished},
        "b": {"passed": flip.new_passed, "finished": flip.new_finished},
    }
