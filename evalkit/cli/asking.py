"""Questions to a person at a terminal. Where nobody sits at one, or `--yes` was given, every answer is the default."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import typer

from evalkit.errors import EvalkitError, ExitCode

Value = TypeVar("Value")


def somebody_there() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def ask(question: str, default: str, read: Callable[[str], Value]) -> Value:
    """Ask until the answer can be read.

    Args:
        question: without a question mark at its end.
        default: the answer that is meant by none.
        read: turns the answer into a value; raises ConfigError, BadParameter or ValueError for one it cannot use.
    """
    while True:
        answer = _answer(lambda: typer.prompt(question, default=default, err=True, show_default=bool(default)))
        try:
            return read(answer.strip())
        except EvalkitError as error:
            typer.echo(f"  {error.message}" + (f"; {error.remedy}" if error.remedy else ""), err=True)
        except (typer.BadParameter, ValueError) as error:
            typer.echo(f"  {error}", err=True)


def confirm(question: str) -> bool:
    """Ask for yes or no; yes is the default."""
    return _answer(lambda: typer.confirm(question, default=True, err=True))


def _answer(put: Callable[[], Value]) -> Value:
    try:
        return put()
    except typer.Abort:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
