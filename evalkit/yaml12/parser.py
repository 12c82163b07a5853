"""PyYAML's parsers, guarded while they compose, with their complaints put into plain words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import yaml
from yaml.composer import Composer
from yaml.error import MarkedYAMLError
from yaml.nodes import Node, ScalarNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from evalkit.errors import ConfigError, Location
from evalkit.yaml12.values import MAX_DEPTH, TOO_DEEP, place

_CONTROL: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def compose(text: str, path: Path | str) -> Node | None:
    """Parse one document into PyYAML's nodes; None for an empty text. Implicit tags are None, quoted text is `!!str`.

    Raises:
        ConfigError: the text is not one YAML document.
    """
    _refuse_control_characters(text, path)
    try:
        return _composer(text).get_single_node()
    except MarkedYAMLError as error:
        raise _in_plain_words(error, text, path) from None


class _Guard:
    """The hooks that both of PyYAML's composers call for each node."""

    _depth = 0

    def descend_resolver(self, parent: Node | None, _index: object) -> None:
        """Refuse deep nesting before the parser's own recursion meets the end of the stack."""
        self._depth += 1
        if parent and self._depth > MAX_DEPTH + 1:
            raise MarkedYAMLError(problem=TOO_DEEP, problem_mark=parent.start_mark)

    def ascend_resolver(self) -> None:
        """Leave a node."""
        self._depth -= 1

    def resolve(self, kind: type[Node], _value: object, implicit: bool | tuple[bool, bool]) -> str | None:
        """Name the tag of a node that carries none."""
        quoted = kind is ScalarNode and isinstance(implicit, tuple) and not implicit[0]
        return "tag:yaml.org,2002:str" if quoted else None


class PurePythonComposer(_Guard, Reader, Scanner, Parser, Composer):
    """For a PyYAML that was built without its C library: same nodes, ten times slower."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)


class _Composes(Protocol):
    def get_single_node(self) -> Node | None: ...


def _fastest() -> Callable[[str], _Composes]:
    if not yaml.__with_libyaml__:
        return PurePythonComposer
    from yaml._yaml import CParser

    class CComposer(_Guard, CParser):
        """The fast one."""

    return CComposer


_composer = _fastest()


def _refuse_control_characters(text: str, path: Path | str) -> None:
    bad = _CONTROL.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        code = f"U+{ord(bad[0]):04X}"
        raise ConfigError(
            f"the character {code} cannot stand in YAML",
            where=Location(path, line, column),
            remedy=f'remove it, or write it as "\\u{ord(bad[0]):04x}" in double quotes',
        )


class _Complaint(NamedTuple):
    """How to say what a parser means; `at_start` points to where the broken thing begins."""

    words: tuple[str, ...]
    message: str
    remedy: str | None = None
    at_start: bool = False


_QUOTE: Final = "put the value in quotes"
_INDENT: Final = "check its indentation, and put text that holds quotes, ': ' or ' #' in quotes as a whole"
_COMPLAINTS: Final = (
    _Complaint(
        ("mapping values are not allowed",),
        "a ':' stands where no key can be",
        "put a value that contains ': ' in quotes, or indent this line like its neighbours",
    ),
    _Complaint(("tab character",), "a tab is used for indentation", "indent with spaces"),
    _Complaint(
        ("could not find expected ':'",),
        "this line is neither `key: value` nor a part of the value above it",
        "add the ':', or indent the line",
        at_start=True,
    ),
    _Complaint(("',' or ']'",), "a list in '[...]' is not closed, or a ',' is missing in it"),
    _Complaint(("',' or '}'",), "a mapping in '{...}' is not closed, or a ',' is missing in it"),
    _Complaint(("unexpected end of stream",), "a quote is opened and never closed", at_start=True),
    _Complaint(("undefined alias",), "a value that starts with '*' repeats an anchor, and there is none", _QUOTE),
    _Complaint(("alphabetic or numeric",), "a value cannot start with '*' or '&'", _QUOTE, at_start=True),
    _Complaint(("tag handle", "scanning a tag"), "a value cannot start with '!'", _QUOTE, at_start=True),
    _Complaint(
        ("escape character", "escape sequence", "hexadecimal", "hexdecimal"),
        "an unknown escape in double-quoted text",
        "write a backslash as '\\\\', or use single quotes",
    ),
    _Complaint(("another document",), "a second document starts here", "keep one document in the file"),
    _Complaint(("second occurrence",), "the same anchor ('&...') is defined twice", "rename one of them"),
    _Complaint(("sequence entries",), "a list item ('- ') cannot start here", "put it on a line of its own"),
    _Complaint(
        ("comment or line break", "chomping"), "text follows '|' or '>' on the same line", "start it on the next line"
    ),
    _Complaint(("expected key", "block end", "'-' indicator"), "this does not fit the block it stands in", _INDENT),
    _Complaint(("node content",), "a value is missing here"),
)


def _in_plain_words(error: MarkedYAMLError, text: str, path: Path | str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    said = f"{error.problem or ''} {error.context or ''}"
    complaint = next(
        (one for one in _COMPLAINTS if any(word in said for word in one.words)), _Complaint((), said.strip())
    )
    if "start any token" in said and mark:
        complaint = _bad_start(text[mark.index : mark.index + 1])
    begun = error.context_mark if error.context_mark and mark and error.context_mark.line < mark.line else None
    if complaint.at_start and error.context_mark:
        mark, begun = error.context_mark, None
    return ConfigError(
        complaint.message
        + (f" (it begins on line {begun.line + 1})" if begun else "")
        + ("; the file ends here" if mark and mark.index >= len(text.rstrip()) else ""),
        where=place(path, mark) if mark else Location(path),
        remedy=complaint.remedy,
    )


def _bad_start(character: str) -> _Complaint:
    if character == "\t":
        return _Complaint((), "a tab is used for indentation", "indent with spaces")
    return _Complaint((), f"a value cannot start with '{character}'", _QUOTE)
