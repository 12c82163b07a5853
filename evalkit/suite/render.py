"""Fill prompts with the vars of a suite and a case: Jinja2, sandboxed, strict about what is undefined.

Values are data: a placeholder inside a value is text. A value that is not text is written as JSON (`true`, `null`,
`[1, 2]`), as its author typed it, not as Python would print it. A value is never the name of a file to read, but where
a part of a message says `image:` (images.py). Imports jinja2.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from evalkit.errors import ConfigError, Location, one_or_many
from evalkit.scorers.values import as_text, kind_of
from evalkit.suite.images import read_image
from evalkit.types import MISSING, Case, Image, Json, Message, Part, Prompt, PromptPart, PromptTurn, Role

_CLEARER: Final = {"unexpected '}'": "unexpected '}': what begins with '{{' ends with '}}', and '{%' with '%}'"}
"""What Jinja2 says, and what it means."""


class Renderer:
    """Renders one prompt; its templates are compiled once.

    Args:
        prompt: what to render.
        suite_vars: the vars that all cases share; a case's own win.

    Raises:
        ConfigError: a template is not valid Jinja2, with its file and line.
    """

    def __init__(self, prompt: Prompt, suite_vars: Mapping[str, Json]) -> None:
        self._prompt = prompt
        self._vars = suite_vars
        environment = _environment()
        faults: list[ConfigError] = []
        self._turns: list[tuple[PromptTurn, list[_Compiled]]] = []
        for turn in prompt.turns:
            self._turns.append((turn, []))
            for source in () if turn.insert else turn.parts or (turn,):
                try:
                    self._turns[-1][1].append((source, _template(environment, source.template)))
                except TemplateSyntaxError as error:
                    words = error.message or "invalid template"
                    faults.append(_fault(prompt, source.where, _CLEARER.get(words, words), error.lineno))
                except (RecursionError, SyntaxError):
                    faults.append(_fault(prompt, source.where, "the template is nested too deeply", 1))
        if faults:
            raise one_or_many(faults)

    def messages(self, case: Case) -> tuple[Message, ...]:
        """Render the prompt for a case of a loaded suite, and read its pictures.

        Raises:
            ConfigError: an undefined variable, or a template that fails; names the case, the prompt and the template.
                A picture that cannot be read, or is not the one that the suite was loaded with.
        """
        return tuple(self._with_pictures(message, case) for message in self.sketch(case))

    def sketch(self, case: Case) -> tuple[Message, ...]:
        """Render the prompt for a case without its pictures: each is an `Image` with its place, whatever it is, as URL.

        Raises:
            ConfigError: as `messages` does, pictures aside.
        """
        variables = {**self._vars, **case.vars}
        messages: list[Message] = []
        for turn, compiled in self._turns:
            if turn.insert:
                messages += self._inserted(turn, case, variables)
            elif turn.role:
                messages.append(Message(turn.role, self._content(turn, compiled, case, variables)))
        return tuple(messages)

    def _content(
        self, turn: PromptTurn, compiled: Sequence[_Compiled], case: Case, variables: Mapping[str, Json]
    ) -> str | tuple[Part, ...]:
        texts = [self._text(source.where, template, case, variables) for source, template in compiled]
        if not turn.parts:
            return texts[0]
        return tuple(
            Image(url=text.strip()) if part.kind == "image" else text
            for part, text in zip(turn.parts, texts, strict=True)
        )

    def _with_pictures(self, message: Message, case: Case) -> Message:
        if isinstance(message.content, str):
            return message
        try:
            content = tuple(
                read_image(part.url or "", case.files) if isinstance(part, Image) else part for part in message.content
            )
        except ConfigError as error:
            raise self.about(case, error) from None
        return dataclasses.replace(message, content=content)

    def about(self, case: Case, error: ConfigError) -> ConfigError:
        """Say of an error about a picture which case and prompt it concerns."""
        return ConfigError(f"{self._label(case)}: {error.message}", where=case.where, remedy=error.remedy)

    def _text(self, where: Location | None, template: Template, case: Case, variables: Mapping[str, Json]) -> str:
        try:
            return template.render(variables)
        except UndefinedError as error:
            name = _UNDEFINED.fullmatch(error.message or "")
            if name:
                raise self._undefined(name[1], _line(where, _line_of(error)), case, variables) from None
            raise self._failed(where, case, error) from None
        except Exception as error:  # noqa: BLE001 - a template can fail in every way an expression can
            raise self._failed(where, case, error) from None

    def _inserted(self, turn: PromptTurn, case: Case, variables: Mapping[str, Json]) -> list[Message]:
        name = turn.insert or ""
        value = variables.get(name, MISSING)
        if value is MISSING:
            raise self._undefined(name, turn.where, case, variables)
        messages = [_message(item) for item in value] if isinstance(value, list) else [None]
        if None in messages:
            index = messages.index(None)
            got = kind_of(value[index]) if isinstance(value, list) else kind_of(value)
            entry = f"entry {index + 1} of " if isinstance(value, list) else ""
            raise ConfigError(
                f"{self._label(case)}: {entry}`{name}` is {got} that cannot stand in the conversation",
                where=turn.where,
                remedy="make it a list of `{role: user, content: text}` or `{user: text}`; what a user says may "
                "also be a list of `{text: ...}` and `{image: ...}`",
            )
        return [message for message in messages if message]

    def _undefined(self, name: str, where: Location | None, case: Case, variables: Mapping[str, Json]) -> ConfigError:
        near = difflib.get_close_matches(name, variables, n=1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        known = f"defined are: {', '.join(variables)}" if variables else "nothing is defined"
        return ConfigError(
            f"{self._label(case)}: `{name}` is undefined{hint}",
            where=where,
            remedy=f"add it to the vars of the case{_at(case.where)} or of the suite; {known}",
        )

    def _failed(self, where: Location | None, case: Case, error: Exception) -> ConfigError:
        words = str(error) or type(error).__name__
        return ConfigError(f"{self._label(case)}: the template fails: {words}", where=_line(where, _line_of(error)))

    def _label(self, case: Case) -> str:
        return f'case "{case.id}", prompt "{self._prompt.name}"'


def pictures(messages: Iterable[Message]) -> Iterator[str]:
    """Go through the places of the pictures in what `Renderer.sketch` returns."""
    for message in messages:
        if not isinstance(message.content, str):
            yield from (part.url or "" for part in message.content if isinstance(part, Image))


_Compiled: TypeAlias = tuple[PromptTurn | PromptPart, Template]
_UNDEFINED: Final = re.compile(r"'(.+)' is undefined")
_SPEAKERS: Final[Sequence[Role]] = ("system", "user", "assistant")


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, finalize=_spelled)
    environment.filters["tojson"] = _to_json
    # The same case must always ask the same question.
    del environment.filters["random"], environment.globals["lipsum"]
    return environment


def _template(environment: ImmutableSandboxedEnvironment, text: str) -> Template:
    # What `from_string` does, but for the globals: a plain dict, which a rendering copies several times as fast.
    return environment.template_class.from_code(environment, environment.compile(text), dict(environment.globals))


def _spelled(value: Any) -> Any:  # noqa: ANN401 - whatever an expression yields
    return as_text(value) if value is None or isinstance(value, (bool, dict, list)) else value


def _to_json(value: Json, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _message(value: Json) -> Message | None:
    if not isinstance(value, Mapping):
        return None
    spoken = {str(value["role"]): value["content"]} if value.keys() == {"role", "content"} else value
    role = next((role for role in _SPEAKERS if spoken.keys() == {role}), None)
    if role is None:
        return None
    said = spoken[role]
    if isinstance(said, str):
        return Message(role, said)
    parts = [_part(part) for part in said] if role == "user" and isinstance(said, list) else []
    content = tuple(part for part in parts if part is not None)
    return Message(role, content) if content and len(content) == len(parts) else None


def _part(value: Json) -> Part | None:
    kind, text = next(iter(value.items())) if isinstance(value, Mapping) and len(value) == 1 else ("", None)
    if not isinstance(text, str) or kind not in ("text", "image"):
        return None
    return Image(url=text.strip()) if kind == "image" else text


def _fault(prompt: Prompt, where: Location | None, words: str, line: int) -> ConfigError:
    return ConfigError(f'prompt "{prompt.name}": {words}', where=_line(where, line))


def _line(where: Location | None, line: int) -> Location | None:
    """Find a line of a template in its file. Exact for blocks (`|`) and text files; near for folded text."""
    if where is None or where.line is None or line == 1:
        return where
    return Location(where.path, where.line + line - 1)


def _line_of(error: Exception) -> int:
    """Read a template's line from the traceback, which Jinja2 rewrites to speak of templates."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _at(where: Location | None) -> str:
    return f" ({where})" if where else ""
