"""Steps that take the part to be judged out of an answer, before any scorer sees it.

A step gets a text and returns a text, or says that what it looks for is not there; then the answer fails, whatever the
scorer, as there is nothing to judge.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, TypeAlias, TypeVar

from evalkit.errors import ConfigError
from evalkit.scorers.backtracking import safe_length
from evalkit.scorers.base import INLINE_CHARS
from evalkit.scorers.fences import blocks
from evalkit.scorers.jsonpath import compile_path, root_types
from evalkit.scorers.jsontext import NoJsonError, find_json
from evalkit.scorers.numerals import Numeral, last_numeral, numerals
from evalkit.scorers.options import Opt, unknown_name
from evalkit.scorers.patterns import check_group, compiled_pattern
from evalkit.scorers.spelling import Kind, built, each_compiled, entries_schema, options_given, taken_apart
from evalkit.scorers.values import as_text, clip, show
from evalkit.types import Json, Record

if TYPE_CHECKING:
    from jsonpath_rfc9535 import JSONPathQuery

T = TypeVar("T")
EXTRACT_REF: Final = "#/$defs/extract"
_KIND: Final = Kind("an extraction step", "`extract: last_number` or `extract: [strip_reasoning, {after: 'Answer:'}]`")


class NothingFoundError(Exception):
    """A step found nothing; the message says what it looked for."""


class StepOptions(ABC):
    """The options of a step; a subclass is a frozen dataclass whose fields they are, as those of a scorer."""

    __slots__ = ()
    example: ClassVar[str] = ""

    @abstractmethod
    def compile(self) -> Step:
        """Return the step that is ready to be applied.

        Raises:
            ConfigError: the options fit their types but cannot be used.
        """


class Step(StepOptions):
    """A step that is ready to be applied."""

    __slots__ = ()

    def compile(self) -> Step:
        """Return itself."""
        return self

    def source(self, answer: Record) -> str:
        """Return the text that it takes a part of, where it is the first step: what the model said."""
        return answer.output or ""

    @abstractmethod
    def apply(self, text: str) -> str:
        """Return the part of a text.

        Raises:
            NothingFoundError: it is not there.
        """

    def inline_chars(self) -> int:
        """Up to how many characters of text take it hardly any time."""
        return INLINE_CHARS


_Which: TypeAlias = Annotated[Literal["first", "last"], Opt("Which one counts when there are several.")]


def _chosen(found: Iterable[T], which: str) -> T | None:
    if which == "first":
        return next(iter(found), None)
    return next(iter(deque(found, maxlen=1)), None)


@dataclass(frozen=True, slots=True)
class Regex(StepOptions):
    """What a regular expression matches: the first of its groups that took part, or all of it if it has none."""

    example: ClassVar[str] = r"regex: 'final answer is (\w+)'"
    pattern: Annotated[
        str, Opt("The expression (Python's `re`; `^` and `$` stand for ends of lines).", main=True, filled=True)
    ]
    group: Annotated[int | str | None, Opt("The group to take, by number or name; 0: all of the match.")] = None
    which: _Which = "last"

    def compile(self) -> Step:
        """Compile the expression."""
        try:
            pattern = compiled_pattern(self.pattern, re.MULTILINE)
        except ValueError as error:
            raise ConfigError(f"extract: regex: {error}") from error
        if self.group is not None:
            check_group(pattern, self.group, owner="extract: regex")
        return _Pattern(pattern, self.group, self.which)


@dataclass(frozen=True, slots=True)
class _Pattern(Step):
    pattern: re.Pattern[str]
    group: int | str | None
    which: str

    def apply(self, text: str) -> str:
        parts = map(self._part, self.pattern.finditer(text))
        part = _chosen((part for part in parts if part is not None), self.which)
        if part is None:
            raise NothingFoundError(f"{show(self.pattern.pattern)} does not match")
        return part

    def inline_chars(self) -> int:
        return safe_length(self.pattern)

    def _part(self, match: re.Match[str]) -> str | None:
        groups: Sequence[str | None] = (match[0 if self.group is None else self.group],)
        if self.group is None and self.pattern.groups:
            groups = match.groups()
        return next((group for group in groups if group is not None), None)


@dataclass(frozen=True, slots=True)
class JsonPath(StepOptions):
    """The first value at a JSON path (RFC 9535) of the JSON in the answer; what is not text is spelled as JSON."""

    example: ClassVar[str] = "json_path: $.answer"
    path: Annotated[str, Opt("The path, such as `$.answer`.", main=True, filled=True)]

    def compile(self) -> Step:
        """Compile the path."""
        return _Query(self.path, compile_path(self.path, owner="extract: json_path"))


@dataclass(frozen=True, slots=True)
class _Query(Step):
    path: str
    query: JSONPathQuery

    def apply(self, text: str) -> str:
        try:
            value = find_json(text, root_types(self.path))
        except NoJsonError as error:
            raise NothingFoundError(str(error)) from None
        found = self.query.find(value).values()
        if not found:
            raise NothingFoundError(f"nothing at {clip(self.path)}")
        return as_text(found[0])

    def inline_chars(self) -> int:
        # Any other path may visit every value many times, and hold patterns.
        return INLINE_CHARS if self.query.singular_query() else 0


@dataclass(frozen=True, slots=True)
class ToolCall(Step):
    """An argument of a tool call, or all of them as a JSON object; what is not text is spelled as JSON."""

    example: ClassVar[str] = "tool_call: city"
    argument: Annotated[str | None, Opt("The argument's name. Default: all of them.", main=True, filled=True)] = None
    tool: Annotated[str | None, Opt("Only calls of this tool.", filled=True)] = None
    which: _Which = "first"

    def source(self, answer: Record) -> str:
        """Return the calls, as JSON."""
        return json.dumps(list(answer.tool_calls))

    def apply(self, text: str) -> str:
        """Take the argument of the chosen one of the calls."""
        calls = (call for call in json.loads(text) if isinstance(call, dict) and self.tool in (None, call.get("name")))
        call = _chosen(calls, self.which)
        if call is None:
            raise NothingFoundError(f"no call of {self.tool}" if self.tool else "no tool call")
        given = call.get("arguments")
        if self.argument is None:
            return as_text(given)
        if not isinstance(given, dict) or self.argument not in given:
            raise NothingFoundError(f"the call has no argument {show(self.argument, 40)}")
        return as_text(given[self.argument])


@dataclass(frozen=True, slots=True)
class FirstNumber(Step):
    """The first number in the answer, as it is written."""

    example: ClassVar[str] = "first_number"

    def apply(self, text: str) -> str:
        """Take the number."""
        return _number(next(numerals(text), None))


@dataclass(frozen=True, slots=True)
class LastNumber(Step):
    """The last number in the answer, as it is written."""

    example: ClassVar[str] = "last_number"

    def apply(self, text: str) -> str:
        """Take the number."""
        return _number(last_numeral(text))


def _number(number: Numeral | None) -> str:
    if number is None:
        raise NothingFoundError("no number")
    return number.text


@dataclass(frozen=True, slots=True)
class CodeBlock(Step):
    """What stands in a block fenced by three backticks or tildes; one that is never closed goes to the end."""

    example: ClassVar[str] = "code_block: python"
    language: Annotated[str | None, Opt("Only blocks that name this language.", main=True, filled=True)] = None
    which: _Which = "last"

    def apply(self, text: str) -> str:
        """Take the block's content."""
        wanted = self.language and self.language.lower()
        bodies = (block.content for block in blocks(text) if wanted in (None, block.language.lower()))
        body = _chosen(bodies, self.which)
        if body is None:
            raise NothingFoundError(f"no {self.language} code block" if self.language else "no code block")
        return body


@dataclass(frozen=True, slots=True)
class After(Step):
    """What follows a marker, such as `Answer:`."""

    example: ClassVar[str] = "after: 'Answer:'"
    marker: Annotated[str, Opt("The text after which the part begins.", main=True, filled=True)]
    ignore_case: Annotated[bool, Opt("Find the marker without regard to case.")] = True
    which: _Which = "last"

    def apply(self, text: str) -> str:
        """Take what follows the marker."""
        marker = re.compile(re.escape(self.marker), re.IGNORECASE if self.ignore_case else 0)
        match = _chosen(marker.finditer(text), self.which)
        if match is None:
            raise NothingFoundError(f"no {show(self.marker, 40)}")
        return text[match.end() :]


@dataclass(frozen=True, slots=True)
class Stop(Step):
    """What stands before the first of some texts: what a stop sequence would have left."""

    example: ClassVar[str] = r'stop: ["Q:", "\n\n"]'
    texts: Annotated[
        str | tuple[str, ...],
        Opt("The text to stop at, or a list of texts; whichever comes first.", main=True, filled=True),
    ]

    def compile(self) -> Step:
        """Refuse an empty text, which stops everything at once."""
        if not all(_listed(self.texts)):
            raise ConfigError("extract: stop: a text is empty", remedy="leave it out: it would stop everything at once")
        return self

    def apply(self, text: str) -> str:
        """Cut; without a stop text all of it stays."""
        ends = [end for stop in _listed(self.texts) if (end := text.find(stop)) >= 0]
        return text[: min(ends)] if ends else text


@dataclass(frozen=True, slots=True)
class StripReasoning(Step):
    """The answer without its reasoning, as open models write it between `<think>` and `</think>`."""

    example: ClassVar[str] = "strip_reasoning"
    tags: Annotated[
        str | tuple[str, ...],
        Opt("The name of the tag that encloses reasoning, or a list of names.", main=True, filled=True),
    ] = ("think", "thinking", "thought", "reasoning")

    def compile(self) -> Step:
        """Refuse what cannot be the name of a tag."""
        for name in _listed(self.tags):
            if not re.fullmatch(r"[\w.:-]+", name):
                raise ConfigError(
                    f"extract: strip_reasoning: {show(name, 40)} is no tag's name",
                    remedy="write it bare, as in `think`",
                )
        return self

    def apply(self, text: str) -> str:
        """Leave out every such block, and what stands before a closing tag that was never opened.

        Reasoning may speak of its own tags, so an opening tag within it means nothing. Models whose prompt ends with
        the opening tag write the closing one alone.
        """
        names = "|".join(map(re.escape, _listed(self.tags)))
        kept: list[str] = []
        at, reasoning = 0, False
        for tag in re.finditer(rf"<(/?)(?:{names})>", text, re.IGNORECASE):
            closes = bool(tag[1])
            if closes and not reasoning:
                kept = []
            elif not closes and not reasoning:
                kept.append(text[at : tag.start()])
            at, reasoning = tag.end(), not closes
        if reasoning:
            raise NothingFoundError("the reasoning never ends")
        return "".join([*kept, text[at:]]).strip()


def _listed(texts: str | Sequence[str]) -> Sequence[str]:
    return (texts,) if isinstance(texts, str) else texts


STEPS: Final[Mapping[str, type[StepOptions]]] = MappingProxyType(
    {
        "regex": Regex,
        "json_path": JsonPath,
        "tool_call": ToolCall,
        "first_number": FirstNumber,
        "last_number": LastNumber,
        "code_block": CodeBlock,
        "after": After,
        "stop": Stop,
        "strip_reasoning": StripReasoning,
    }
)


def compile_steps(specs: Json) -> tuple[Step, ...]:
    """Compile the value of `extract:`: one step or a list of them, applied one after the other.

    Raises:
        ConfigError: an unknown step or option, or one that cannot be used; problems are reported together.
    """
    listed = specs if isinstance(specs, (list, tuple)) else (specs,)
    if not listed:
        raise ConfigError("extract: the list of steps is empty", remedy=f"write {_KIND.examples}")
    steps = tuple(each_compiled(listed, _compiled))
    if any(isinstance(step, ToolCall) for step in steps[1:]):
        raise ConfigError("extract: tool_call looks at no text, so it must be the first step", remedy="move it up")
    return steps


def _compiled(spec: Json) -> Step:
    entry = taken_apart(spec, _KIND)
    cls = STEPS.get(entry.name)
    if cls is None:
        raise unknown_name("extraction step", entry.name, STEPS)
    return built(cls, f"extract: {entry.name}", options_given(entry, cls)).compile()


def extracted(text: str, steps: Sequence[Step]) -> str:
    """Apply the steps in order.

    Raises:
        NothingFoundError: one of them found nothing.
    """
    for step in steps:
        text = step.apply(text)
    return text


def steps_schema() -> dict[str, Json]:
    """Describe the value of `extract:` as JSON Schema, for editors."""
    step = entries_schema(STEPS, description="A step that takes a part out of the answer.")
    return {"anyOf": [step, {"type": "array", "minItems": 1, "items": step}]}
