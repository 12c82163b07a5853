"""What evalkit does differently inside a GitHub workflow: it marks lines, writes summaries, and guards its output.

There, any line of a step's output that looks like a workflow command is one. Outputs of models and words of servers
must never be, so whatever this process prints goes through `inert_output`. Imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

if TYPE_CHECKING:
    from evalkit.analysis.gate.result import GateResult
    from evalkit.errors import EvalkitError
    from evalkit.report.github import Annotation

# `::name ::` begins a line; the older `##[name]` may stand anywhere in one. A carriage return ends a line too.
_LINE_COMMAND = re.compile(r"((?:^|[\r\n])[^\S\r\n]*:)(?=:)")
_ANYWHERE = re.compile(r"#(?=#\[)")
_ZERO_WIDTH = "\u200b"


def on_github() -> bool:
    """Whether this is a step of a GitHub workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def inert(text: str) -> str:
    """Text in which GitHub finds no command: what looks like one has a character of no width put into it."""
    return _ANYWHERE.sub(f"#{_ZERO_WIDTH}", _LINE_COMMAND.sub(rf"\1{_ZERO_WIDTH}", text))


class InertText:
    """A text stream that passes on whole lines, with no command in them."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._begun = ""

    def write(self, text: str) -> int:
        """Write the lines that are whole by now."""
        whole, end, self._begun = (self._begun + text).rpartition("\n")
        if end:
            self.stream.write(inert(whole) + end)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def finish(self) -> None:
        """Write the last line, which nobody has ended."""
        rest, self._begun = self._begun, ""
        if rest:
            with contextlib.suppress(OSError, ValueError):  # its reader has left
                self.stream.write(inert(rest))
                self.stream.flush()

    @property
    def buffer(self) -> InertJson:
        """Where JSON is written."""
        return InertJson(self.stream.buffer)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self.stream, name)


class InertJson:
    """A byte stream for JSON, each value written at once: a command inside a string is spelled another way."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, content: bytes) -> int:
        """Write a value."""
        return self._stream.write(content.replace(b"##[", b"\\u0023#["))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)


@contextlib.contextmanager
def inert_output() -> Iterator[None]:
    """While inside, on GitHub, nothing that is printed is a command; see `tell_github` for those that are meant."""
    if not on_github() or sys.stdout is None or sys.stderr is None:
        yield
        return
    before = sys.stdout, sys.stderr
    out, err = InertText(before[0]), InertText(before[1])
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        out.finish()
        err.finish()
        # Who found that its reader had left has put another stream there, which stays.
        if sys.stdout is out:
            sys.stdout = before[0]
        if sys.stderr is err:
            sys.stderr = before[1]


def tell_github(result: GateResult, folder: Path) -> None:
    """Write a gate's page to the step's summary, where it lies to the step's outputs, and mark lines of files."""
    from evalkit.report.gate_files import GATE_MD, gate_markdown
    from evalkit.report.github import SUMMARY_CHARS, fitting, marks
    from evalkit.report.markup import one_line

    _append("GITHUB_STEP_SUMMARY", lambda: fitting(gate_markdown(result), SUMMARY_CHARS) + "\n")
    outputs = {"outcome": result.outcome, "folder": folder.resolve(), "comment": folder.resolve() / GATE_MD}
    _append("GITHUB_OUTPUT", lambda: "".join(f"{name}={one_line(str(value))}\n" for name, value in outputs.items()))
    if on_github():
        _mark(marks(result))


def mark_error(error: EvalkitError) -> None:
    """Mark, on GitHub, the lines that keep a command from its work: else a red check does not say why."""
    if on_github():
        from evalkit.report.github import error_marks

        _mark(error_marks(error))


def mark(found: Iterable[Annotation]) -> None:
    """Mark lines of files, on GitHub."""
    if on_github():
        _mark(found)


def _append(variable: str, text: Callable[[], str]) -> None:
    """Add text to the file that a variable names, if it names one. A gate does not hang on it."""
    path = os.environ.get(variable)
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text())
    except OSError as error:
        from evalkit.cli.messages import print_warning

        print_warning(f"{variable} cannot be written to: {error}")


def _mark(found: Iterable[Annotation]) -> None:
    """Give GitHub commands, past the guard."""
    from evalkit.report.github import command

    root = Path(os.environ.get("GITHUB_WORKSPACE") or ".")
    stream = sys.stderr.stream if isinstance(sys.stderr, InertText) else sys.stderr
    with contextlib.suppress(OSError, ValueError):  # its reader has left
        stream.write("".join(f"{command(mark, root)}\n" for mark in found))
        stream.flush()
