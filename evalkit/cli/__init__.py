"""The command line: parse, call the library, print, exit. The one place that wires the parts together.

Nothing heavy is imported here, nor by the command modules before their command runs: `evalkit --help` must be instant.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from evalkit.cli.app import app
from evalkit.cli.completing import VARIABLE, set_up
from evalkit.cli.github import inert_output, mark_error
from evalkit.cli.messages import print_error
from evalkit.errors import EvalkitError, ExitCode

_LATEST = "latest"


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command line and exit with its code."""
    with inert_output():
        _run(argv)


def _run(argv: Sequence[str] | None) -> None:
    arguments = expand(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    _print_what_can_be_printed()
    if VARIABLE in os.environ:
        set_up()
    try:
        app([argument for argument in arguments if argument != "--debug"], prog_name="evalkit")
    except EvalkitError as error:
        if debug:
            _print_traceback()
        print_error(error)
        mark_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has left; there is nobody to tell
        sys.exit(ExitCode.OK)
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets a sentence, not a traceback
        if debug:
            _print_traceback()
        hint = "" if debug else "; run again with --debug and report what it prints"
        sys.stderr.write(f"error: a fault in evalkit: {type(error).__name__}: {error}{hint}\n")
        sys.exit(ExitCode.BUG)


def _print_what_can_be_printed() -> None:
    """Escape what a terminal or a log cannot show, such as an arrow under an old encoding: no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_traceback() -> None:
    import traceback

    traceback.print_exc()


def expand(arguments: Sequence[str]) -> list[str]:
    """Give a bare `--resume` its value: the parser has no options with an optional one."""
    expanded: list[str] = []
    for index, argument in enumerate(arguments):
        expanded.append(argument)
        following = arguments[index + 1] if index + 1 < len(arguments) else "-"
        if argument == "--resume" and (following.startswith("-") or following.endswith((".yaml", ".yml"))):
            expanded.append(_LATEST)
    return expanded
