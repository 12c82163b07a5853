"""The command line's own small parts."""

from __future__ import annotations

import pytest

from evalkit.cli import expand, main
from evalkit.cli.messages import print_error
from evalkit.errors import ConfigError, ConfigErrors, Location


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["run", "s.yaml", "--resume"], ["run", "s.yaml", "--resume", "latest"]),
        (["run", "--resume", "s.yaml"], ["run", "--resume", "latest", "s.yaml"]),
        (["run", "s.yaml", "--resume", "-n", "3"], ["run", "s.yaml", "--resume", "latest", "-n", "3"]),
        (["run", "s.yaml", "--resume", "20261123-1"], ["run", "s.yaml", "--resume", "20261123-1"]),
        (["run", "s.yaml"], ["run", "s.yaml"]),
    ],
)
def test_a_bare_resume_means_the_latest_run(typed: list[str], meant: list[str]) -> None:
    assert expand(typed) == meant


def test_a_fault_is_one_line_and_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("evalkit.cli.app", fault)
    with pytest.raises(SystemExit) as ended:
        main(["run"])
    assert ended.value.code == 70
    assert (
        capsys.readouterr().err
        == "error: a fault in evalkit: KeyError: 'x'; run again with --debug and report what it prints\n"
    )


def test_ctrl_c_before_the_run_has_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evalkit.cli.app", interrupt)
    with pytest.raises(SystemExit) as ended:
        main(["run"])
    assert ended.value.code == 130


def test_errors_are_printed_with_place_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(ConfigError("is wrong", where=Location("s.yaml", 3, 7), remedy="mend it"))
    assert capsys.readouterr().err == "error: s.yaml:3:7: is wrong\n  -> mend it\n"


def test_very_many_errors_are_cut_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(ConfigErrors([ConfigError(f"e{number}") for number in range(100)]))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 41
    assert lines[-1] == "... and 60 more"
