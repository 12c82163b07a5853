"""The tokens of a JavaScript text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from evalkit.imports.promptfoo.scripts.tree import NotMechanicalError

Kind: TypeAlias = Literal["number", "text", "template", "pattern", "word", "sign", "line", "end"]

MAX_CHARS: Final = 4_000
"""Of a script that is looked at; mechanical ones are short."""

_SPACE: Final = re.compile(r"[ \t\r\f\v\u00a0]+|//[^\n]*|/\*.*?\*/", re.DOTALL)
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WORD: Final = re.compile(r"[A-Za-z_$][\w$]*")
_TEXT: Final = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"", re.DOTALL)
_TEMPLATE: Final = re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL)
_PATTERN: Final = re.compile(r"/((?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/([a-z]*)")
_SIGN: Final = re.compile(r"===|!==|\.\.\.|=>|==|!=|<=|>=|&&|\|\||\?\?|\?\.(?!\d)|[-+*/%!<>=?:;,.(){}\[\]]")
_ESCAPE: Final = re.compile(r"\\(u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\r\n|.)", re.DOTALL)
_PLAIN: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": "", "\r\n": ""}
_VALUE_ENDS: Final = frozenset(")]}")
_NO_VALUES: Final = frozenset({"return", "typeof", "in", "of", "case"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token: of a pattern `text` is its source and `flags` its flags; of a template, what stands between quotes."""

    kind: Kind
    text: str
    flags: str = ""


def tokens(text: str) -> list[Token]:
    """Take a script apart.

    Raises:
        NotMechanicalError: it is too long, or holds what no token begins with.
    """
    if len(text) > MAX_CHARS:
        raise NotMechanicalError(f"it is longer than {MAX_CHARS} characters")
    found: list[Token] = []
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
            continue
        token, at = _next(text, at, found[-1] if found else None)
        found.append(token)
    return [*found, Token("end", "")]


def _next(text: str, at: int, before: Token | None) -> tuple[Token, int]:
    if text[at] == "\n":
        return Token("line", "\n"), at + 1
    if not _is_value(before) and (match := _PATTERN.match(text, at)):
        return Token("pattern", match[1], match[2]), match.end()
    for kind, pattern in _KINDS:
        if match := pattern.match(text, at):
            return Token(kind, _content(kind, match[0])), match.end()
    raise NotMechanicalError(f"{text[at]!r} is not understood")


_KINDS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("number", _NUMBER),
    ("word", _WORD),
    ("text", _TEXT),
    ("template", _TEMPLATE),
    ("sign", _SIGN),
)


def _content(kind: Kind, matched: str) -> str:
    if kind == "text":
        return unescaped(matched[1:-1])
    return matched[1:-1] if kind == "template" else matched


def _is_value(token: Token | None) -> bool:
    """Whether a token ends a value, so that a slash after it divides."""
    if token is None:
        return False
    if token.kind == "sign":
        return token.text in _VALUE_ENDS
    return token.kind in ("number", "text", "template", "pattern") or (
        token.kind == "word" and token.text not in _NO_VALUES
    )


def unescaped(text: str) -> str:
    """Replace the escapes of a JavaScript string by what they mean."""
    return _ESCAPE.sub(_meant, text)


def _meant(match: re.Match[str]) -> str:
    name = match[1]
    if name[0] in "ux" and len(name) > 1:
        return chr(min(int(name.strip("ux{}"), 16), 0x10FFFF))
    return _PLAIN.get(name, name)


def template_parts(text: str) -> Iterator[tuple[bool, str]]:
    """Go through a template literal: whether a part is an expression, and its text."""
    at = 0
    while (start := text.find("${", at)) >= 0:
        end = text.find("}", start)
        inner = text[start + 2 : end]
        if end < 0 or "{" in inner or "`" in inner:
            raise NotMechanicalError("a template literal with more than plain expressions in it")
        yield False, unescaped(text[at:start])
        yield True, inner
        at = end + 1
    yield False, unescaped(text[at:])
