"""Marks and comments for GitHub, from the results of a gate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.gate.baseline import Baseline, freeze
from evalkit.analysis.gate.measured import measure
from evalkit.analysis.gate.result import GateResult
from evalkit.analysis.gate.verdicts import gate
from evalkit.errors import Location
from evalkit.report.gate_files import gate_markdown, write_gate
from evalkit.report.github import COMMENT_CHARS, MARKS, Annotation, as_comment, command, fitting, marker, marks
from evalkit.suite.gate_rules import GateRules, MinPasses

SUITE = """suite: tiny
prompts:
  - ../prompts/short.yaml
  - name: p
    template: "{{ n }}"
  - ../prompts/plain.txt
  - ../prompts/gone.yaml
cases:
  - id: c00
  - file: more.jsonl
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "evals/tiny.yaml": SUITE,
        "evals/more.jsonl": '{"id": "c01"}\n{"id": "c02"}\n',
        "prompts/short.yaml": "# short\nprompt: brief\nmessages:\n  - user: hello\n",
        "prompts/plain.txt": "hello",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def verdicts(failing: Sequence[int] = (), n: int = 40) -> dict[str, bool]:
    return {f"c{number:02}": number not in failing for number in range(n)}


def gated(
    failing: Sequence[int],
    *,
    prompt: str = "p",
    rules: GateRules | None = None,
    models: Sequence[str] = ("m",),
    frozen: bool = True,
    **now: Any,
) -> GateResult:
    """A run, with these cases failing, against a baseline where none did."""
    before = measure(load_run(store_run(Path("before"), {(model, prompt): verdicts() for model in models})))
    run = store_run(Path("now"), {(model, prompt): verdicts(failing) for model in models}, **now)
    baseline: Baseline = freeze(before, [one.candidate for one in before.results.candidates], "0")
    if not frozen:
        return gate(measure(load_run(run)), rules or GateRules())
    return gate(measure(load_run(run)), rules or GateRules(), baseline, Path("b.json"))


def shown(result: GateResult) -> list[tuple[str, str, str]]:
    return [(one.level, one.title, str(one.where)) for one in marks(result)]


def test_cases_are_marked_where_they_stand(home: Path) -> None:
    assert shown(gated((0, 1, 2, 3, *range(20, 40))))[:5] == [
        ("error", "evalkit gate: REGRESSED", "evals/tiny.yaml:1"),
        ("error", "m: c00", "evals/tiny.yaml:9:5"),
        ("error", "m: c01", "evals/more.jsonl:1"),
        ("error", "m: c02", "evals/more.jsonl:2"),
        ("error", "m: c03", "evals/tiny.yaml:1"),
    ]


@pytest.mark.parametrize(
    ("prompt", "place"),
    [
        ("p", "evals/tiny.yaml:4:5"),
        ("brief", "prompts/short.yaml:4:5"),
        ("plain", "prompts/plain.txt:1"),
        ("gone", "prompts/gone.yaml:1"),
        ("unknown", "evals/tiny.yaml:1"),
    ],
)
def test_a_changed_prompt_is_marked_instead(home: Path, prompt: str, place: str) -> None:
    result = gated(range(20), prompt=prompt, prompts={prompt: {"fingerprint": "new"}})
    assert shown(result)[0][2] == place
    if prompt != "unknown":
        assert {where for _, _, where in shown(result)} == {place}


def test_a_prompt_of_the_command_line_is_marked_in_its_file(home: Path) -> None:
    result = gated(range(20), prompts={"p": {"fingerprint": "new", "file": "prompts/short.yaml"}})
    assert shown(result)[0][2] == "prompts/short.yaml:4:5"


def test_at_most_ten_are_marked_those_that_decide_first(home: Path) -> None:
    result = gated(range(30), models=("m", "k"))
    titles = [title for _, title, _ in shown(result)]
    assert len(titles) == MARKS
    assert titles[:3] == ["evalkit gate: REGRESSED", "evalkit gate: REGRESSED", "m: c00"]


def test_cases_that_fail_while_the_gate_lets_them_are_warnings(home: Path) -> None:
    assert shown(gated((7,))) == [("warning", "m: c07", "evals/tiny.yaml:1")]
    assert shown(gated(())) == []


def test_cases_that_break_a_limit_are_marked_without_a_baseline(home: Path) -> None:
    rules = GateRules(min_passes=(MinPasses("*", 1),))
    assert [title for _, title, _ in shown(gated((1,), rules=rules, frozen=False))] == [
        "evalkit gate: REGRESSED",
        "m: c01",
    ]


def test_errors_and_long_outputs_are_told(home: Path) -> None:
    said = {("m", "c00"): {"output": "word " * 1000}}
    (one,) = marks(gated((0,), fields=said))
    assert one.message.startswith("c00 from 1/1 to 0/1\nexact: expected yes, got no\nexpected: yes\ngot: word word")
    assert len(one.message) < 700
    late = store_run(Path("late"), {"m": verdicts() | {"c00": "timeout"}})
    result = gate(measure(load_run(late)), GateRules(), gated(()).baseline, Path("b.json"))
    (one,) = marks(result)
    assert one.message == "c00 from 1/1 to 0/1\ntimeout: timeout!"


@pytest.mark.parametrize(
    "content", [None, "[1]", "a: [", "cases: [{file: 'hf://a/b'}]", "cases: 3", "cases: [{file: gone.csv}]"]
)
def test_a_suite_that_is_gone_or_changed_costs_the_line_only(home: Path, content: str | None) -> None:
    suite = home / "evals/tiny.yaml"
    suite.unlink() if content is None else suite.write_text(content)
    assert [where for _, _, where in shown(gated((0, 1)))] == ["None" if content is None else "evals/tiny.yaml:1"] * 2


def test_a_mark_is_one_command(home: Path) -> None:
    mark = Annotation(
        "error", "m: a,b%\n", "100 %\r\n::set-env::x\n##[add-mask]y\x1b[31m\u2028z", Location("evals/a b.yaml", 3)
    )
    line = command(mark, home)
    assert line == (
        "::error title=m%3A a%2Cb%25 ,file=evals/a b.yaml,line=3::100 %25%0A::set-env::x%0A## [add-mask]y\u241b[31m%0Az"
    )
    assert len(line.splitlines()) == 1
    assert len(command(replace(mark, title="t" * 300), home)) < 255 + len(line)


@pytest.mark.parametrize(("where", "place"), [(None, ""), ("../x.yaml", ""), ("x.yaml", ",file=x.yaml")])
def test_files_are_named_as_seen_from_the_checkout(home: Path, where: str | None, place: str) -> None:
    mark = Annotation("warning", "t", "m", Location(where) if where else None)
    assert command(mark, home) == f"::warning title=t{place}::m"


def test_a_comment_fits_and_is_found_again(home: Path) -> None:
    page = "# Gate\n" + "- a case with a name\n" * 5_000
    comment = as_comment(page, "my suite-->")
    assert len(comment) < COMMENT_CHARS + 200
    assert comment.endswith(
        "\n\n... and more, in gate.json of the run's folder.\n\n<!-- evalkit gate: my-suite--- -->\n"
    )
    assert "\n- a case\n\n</details>\n\n... and more" in fitting("<details>\n\n- a case\n- more\n", 26)
    assert as_comment("short\n", "s") == f"short\n\n{marker('s')}\n"
    assert fitting("short", 5) == "short"


def test_the_page_of_a_gate_is_a_comment(home: Path) -> None:
    result = gated((1,))
    write_gate(result, home)
    page = (home / "gate.md").read_text(encoding="utf-8")
    assert page == as_comment(gate_markdown(result), "tiny")
    assert re.search(r"\n<!-- evalkit gate: tiny -->\n$", page)
