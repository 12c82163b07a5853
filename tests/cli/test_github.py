"""Inside a GitHub workflow: what is printed is never a command, and what a gate found is where GitHub looks for it."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stored import store_run

from evalkit.cli import github, main
from evalkit.cli.github import InertText, inert, inert_output


def evalkit(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def runs(home: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A baseline, and a run called `new` that breaks five cases of a hundred."""
    verdicts = {f"c{n:03}": True for n in range(100)}
    worse = verdicts | {f"c{n:03}": False for n in range(30)}
    said = {("m", f"c{n:03}"): {"output": "::error::boo\r\n::warning::100%\n##[add-mask]x"} for n in range(30)}
    store_run(Path("results/tiny/old"), {"m": verdicts}, run_id="old")
    store_run(Path("results/tiny/new"), {"m": worse}, run_id="new", fields=said)
    (home / "evals").mkdir()
    (home / "evals/tiny.yaml").write_text("suite: tiny\nprompts: []\ncases:\n  - {id: c000}\n  - {id: c001}\n")
    assert evalkit("baseline", "old") == 0
    capsys.readouterr()
    return home


def runner_commands(text: str) -> list[str]:
    """The lines that GitHub's runner takes for commands, as it reads its steps' output."""
    lines = re.split(r"\r\n|[\r\n]", text)
    return [line for line in lines if line.lstrip().startswith("::") or "##[" in line]


@given(
    st.lists(st.sampled_from(["::", ":", "##[", "#", "[", "\n", "\r", " ", "\t", "\u00a0", "error", "é"])).map("".join)
)
@example("::error::a\n  ::set-output name=a::b\r::debug::c\n x ##[group]\n####[a]")
def test_nothing_that_is_printed_is_a_command(text: str) -> None:
    assert runner_commands(inert(text)) == []
    assert inert(text).replace("\u200b", "") == text


@given(st.lists(st.sampled_from(["::", ":", "##[", "#", "[", "\n", "a\n", " ", "##", "[a]\n"])))
def test_however_it_is_written(parts: list[str]) -> None:
    under = io.StringIO()
    stream = InertText(under)
    assert [stream.write(part) for part in parts] == [len(part) for part in parts]
    stream.finish()
    assert runner_commands(under.getvalue()) == []
    assert under.getvalue().replace("\u200b", "") == "".join(parts)


def test_lines_are_passed_on_when_they_are_whole() -> None:
    under = io.StringIO()
    stream = InertText(under)
    stream.writelines(["plain\n", "::err"])
    assert under.getvalue() == "plain\n"
    stream.finish()
    stream.finish()
    assert under.getvalue() == "plain\n:\u200b:err"
    assert stream.isatty() is False


def test_a_reader_that_has_left_is_no_error() -> None:
    under = io.StringIO()
    stream = InertText(under)
    stream.write("begun")
    under.close()
    stream.finish()


def test_output_is_guarded_on_github_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    before = sys.stdout, sys.stderr
    with inert_output():
        assert (sys.stdout, sys.stderr) == before
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with inert_output():
        print("::error::x")  # noqa: T201
        print("##[group]", file=sys.stderr, end="")  # noqa: T201
        sys.stdout.buffer.write(b'"##[group]"\n')
        sys.stdout.buffer.flush()
    assert (sys.stdout, sys.stderr) == before
    out, err = capsys.readouterr()
    assert runner_commands(out + err) == []
    assert json.loads(out.splitlines()[-1]) == "##[group]"


def test_a_stream_that_somebody_else_has_put_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    other = io.StringIO()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.StringIO())
    with inert_output():
        sys.stdout = sys.stderr = other
    assert sys.stdout is other
    assert sys.stderr is other


def test_errors_are_no_commands_either(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert evalkit("gate", "##[stop-commands]x") == 2
    out, err = capsys.readouterr()
    assert "stop-commands" in err
    (mark,) = runner_commands(out + err)
    assert mark.startswith("::error title=evalkit::")
    assert "##[" not in mark


def test_errors_are_marked_where_they_stand(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("s.yaml").write_text("prompts: [{name: p, template: a}]\nscorers: [exakt, 50%]\ncases: [{id: a, vars: {}}]\n")
    assert evalkit("run", "s.yaml") == 2
    assert runner_commands("".join(capsys.readouterr())) == []
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert evalkit("run", "s.yaml") == 2
    marks = runner_commands(capsys.readouterr().err)
    assert marks[0].startswith('::error title=evalkit,file=s.yaml,line=2::unknown scorer "exakt"')
    assert "%0A-> use one of: exact" in marks[0]
    assert any('"50%25"' in mark for mark in marks)


def test_a_gate_writes_to_the_summary_and_marks_lines(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    monkeypatch.setenv("GITHUB_OUTPUT", "outputs")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(runs.parent))
    Path("summary.md").write_text("# Before\n")
    assert evalkit("gate", "new") == 1
    out, err = capsys.readouterr()
    commands = runner_commands(out + err)
    assert len(commands) == 10
    assert commands[0].startswith(
        f"::error title=evalkit gate%3A REGRESSED,file={runs.name}/evals/tiny.yaml,line=1::REGRESSED: m is 30.0 points"
    )
    assert commands[1].startswith(
        f"::error title=m%3A c000,file={runs.name}/evals/tiny.yaml,line=4::c000 from 1/1 to 0/1%0Aexact: "
    )
    assert commands[1].endswith("%0Agot: ::error::boo%0A::warning::100%25%0A## [add-mask]x")
    assert "line=5::" in commands[2]
    assert "line=1::" in commands[3], "a case that is not found is marked at the top"
    summary = Path("summary.md").read_text(encoding="utf-8")
    assert summary.startswith("# Before\n# Gate: tiny\n")
    folder = (runs / "results/tiny/new").resolve()
    assert Path("outputs").read_text() == f"outcome=failed\nfolder={folder}\ncomment={folder / 'gate.md'}\n"


def test_elsewhere_a_gate_says_nothing_to_github(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name for path in runs.iterdir()}
    assert evalkit("gate", "new") == 1
    assert runner_commands("".join(capsys.readouterr())) == []
    assert {path.name for path in runs.iterdir()} == before


def test_a_gate_does_not_hang_on_the_summary(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(runs / "no/such/folder"))
    assert evalkit("gate", "new") == 1
    assert "GITHUB_STEP_SUMMARY cannot be written to" in capsys.readouterr().err


def test_figures_on_standard_output_stay_json(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert evalkit("gate", "new", "--json") == 1
    assert json.loads(capsys.readouterr().out)["outcome"] == "failed"


def test_the_guard_is_light() -> None:
    assert not [name for name in ("analysis", "report", "typer", "rich") if hasattr(github, name)]
