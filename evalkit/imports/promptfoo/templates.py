"""Nunjucks templates as Jinja2's, and values that are templates filled in at import."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from evalkit.types import Json

if TYPE_CHECKING:
    from jinja2.nodes import Node
    from jinja2.sandbox import ImmutableSandboxedEnvironment

_TAG: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_PAIRS: Final = re.compile(r"(\{%-?\s*for\s+\w+\s*,\s*\w+\s+in\s+)(.+?)(\s*-?%\})", re.DOTALL)
_PRINTED: Final = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)(?:\.\w+|\[\w+\])*\s*-?\}\}")
_ENVIRONMENT: Final = re.compile(r"\benv\s*[.\[]")
_CHANGES: Final = (
    (re.compile(r"===?"), "=="),
    (re.compile(r"!==?"), "!="),
    (re.compile(r"&&"), " and "),
    (re.compile(r"\|\|"), " or "),
    (re.compile(r"\|\s*dump\b(?:\(\s*\d*\s*\))?"), "| tojson"),
    (re.compile(r"([\w\])])\.length\b"), r"\1 | length"),
    (re.compile(r"(\{%-?\s*)elseif\b"), r"\1elif"),
    (re.compile(r"\|\s*safe\b"), ""),
    *(
        (re.compile(rf"\.{said}\("), f".{ours}(")
        for said, ours in (
            ("toUpperCase", "upper"),
            ("toLowerCase", "lower"),
            ("trim", "strip"),
            ("startsWith", "startswith"),
            ("endsWith", "endswith"),
        )
    ),
)
_METHODS: Final = frozenset({"upper", "lower", "strip", "startswith", "endswith", "split", "items"})
"""Of texts and mappings, that mean in Jinja2 what they do in Nunjucks; `items` is put there for loops over pairs."""
_MAX_CHARS: Final = 4_000_000
_MAX_ITEMS: Final = 1_000


class TemplateError(ValueError):
    """A template that cannot be carried over, or filled in; the message says why."""


def is_template(text: str) -> bool:
    """Whether a text has placeholders."""
    return "{{" in text or "{%" in text


def to_jinja(text: str) -> str:
    """Write a Nunjucks template in Jinja2.

    Raises:
        TemplateError: it reads the environment, or is none of Jinja2's either.
    """
    if not is_template(text) and "{#" not in text:
        return text
    if any(_ENVIRONMENT.search(tag[0]) for tag in _TAG.finditer(text)):
        raise TemplateError("it reads the environment, which is never read here")
    changed = _TAG.sub(lambda match: _outside_quotes(match[0]), text)
    changed = _PAIRS.sub(r"\1((\2).items() if (\2) is mapping else (\2))\3", changed)
    _check(changed)
    return changed


def _check(template: str) -> None:
    from jinja2 import TemplateSyntaxError, nodes

    try:
        tree = _environment().parse(template)
        # Looked for before anything is compiled, which works out constants: a text of gigabytes is soon made.
        if next(tree.find_all((nodes.Mul, nodes.Pow)), None) is not None:
            raise TemplateError("the template multiplies")
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Getattr) and call.node.attr not in _METHODS:
                raise TemplateError(f"the template calls `.{call.node.attr}()`, a program of JavaScript")
        _environment().compile(template)
    except (TemplateSyntaxError, SyntaxError, RecursionError) as error:
        raise TemplateError(f"the template has no equal: {error}") from None


def _outside_quotes(tag: str) -> str:
    quotes = [(match.start(), match.end()) for match in _QUOTED.finditer(tag)]
    kept: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    if quotes:
        tag = _QUOTED.sub(put_aside, tag)
    for pattern, replacement in _CHANGES:
        tag = pattern.sub(replacement, tag)
    return re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], tag)


def names_in(template: str) -> frozenset[str]:
    """The names of the vars that a Jinja2 template uses."""
    from jinja2 import TemplateSyntaxError, meta

    try:
        return frozenset(meta.find_undeclared_variables(_environment().parse(template)))
    except TemplateSyntaxError:
        return frozenset()


def names_with_default(template: str) -> frozenset[str]:
    """The names whose every use says what is written where there is no such var."""
    from jinja2 import TemplateSyntaxError, nodes

    try:
        tree = _environment().parse(template)
    except TemplateSyntaxError:
        return frozenset()
    used = Counter(node.name for node in tree.find_all(nodes.Name) if node.ctx == "load")
    covered: Counter[str] = Counter()
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        if node.name in ("default", "d", "defined", "undefined") and isinstance(node.node, nodes.Name):
            covered[node.node.name] += 1
    return frozenset(name for name, times in covered.items() if times == used[name])


def blank(template: str, name: str) -> Json:
    """What a template shows nothing of: "", or where it looks into the var, a list or mapping of such."""
    from jinja2 import TemplateSyntaxError, nodes

    try:
        tree = _environment().parse(template)
    except TemplateSyntaxError:
        return ""
    attributes: list[Json] = [node.attr for node in tree.find_all(nodes.Getattr) if _is_name(node.node, name)]
    items: list[Json] = [
        node.arg.value
        for node in tree.find_all(nodes.Getitem)
        if _is_name(node.node, name) and isinstance(node.arg, nodes.Const)
    ]
    keys = attributes + items
    places = [key for key in keys if isinstance(key, int) and 0 <= key < _MAX_ITEMS]
    if places:
        return [""] * (max(places) + 1)
    return dict.fromkeys(sorted({key for key in keys if isinstance(key, str)}), "") or ""


def _is_name(node: Node, name: str) -> bool:
    return getattr(node, "name", None) == name


def printed(template: str) -> frozenset[str]:
    """The names of vars that are written as they are, or a part of them."""
    return frozenset(match[1] for match in _PRINTED.finditer(template))


def fill(text: str, variables: Mapping[str, Json]) -> str:
    """Fill in a Nunjucks template as promptfoo does: what is undefined is nothing.

    Raises:
        TemplateError: it cannot be.
    """
    if not is_template(text):
        return text
    try:
        filled = _compiled(to_jinja(text))(variables)
    except TemplateError:
        raise
    except Exception as error:  # noqa: BLE001 - a template can fail in any way
        raise TemplateError(f"the template cannot be filled in: {type(error).__name__}: {error}") from None
    return filled


def filled_vars(variables: Mapping[str, Json]) -> dict[str, Json]:
    """Fill in vars that are templates over the others, as promptfoo does.

    Raises:
        TemplateError: one cannot be.
    """
    done = dict(variables)
    for _ in range(3):
        before = dict(done)
        for name, value in before.items():
            if isinstance(value, str) and is_template(value) and _knows(value, before):
                others = {other: kept for other, kept in before.items() if other != name}
                done[name] = fill(value, others)
        if done == before:
            break
    return done


def _knows(text: str, variables: Mapping[str, Json]) -> bool:
    try:
        names = names_in(to_jinja(text))
    except TemplateError:
        return "env" in text
    return bool(names) and all(variables.get(name) is not None for name in names)


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import ChainableUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        """Formats no text: one of gigabytes is soon made."""

        intercepted_binops = frozenset({"%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401
            if not all(isinstance(one, (int, float)) for one in (left, right)):
                raise TemplateError(f"a template with `{operator}`")
            return super().call_binop(context, operator, left, right)

    environment = Environment(
        undefined=ChainableUndefined, autoescape=False, finalize=_spelled, keep_trailing_newline=True
    )
    environment.filters["tojson"] = _to_json
    environment.filters["nl2br"] = lambda value: str(value).replace("\n", "<br />\n")
    # What makes much of little, or something else each time.
    for name in ("random", "center", "format", "indent", "wordwrap", "xmlattr"):
        del environment.filters[name]
    environment.globals.clear()
    return environment


@lru_cache(maxsize=256)
def _compiled(template: str) -> Callable[[Mapping[str, Json]], str]:
    made = _environment().from_string(template)

    def filled(variables: Mapping[str, Json]) -> str:
        return "".join(_bounded(made.generate(dict(variables))))

    return filled


def _bounded(pieces: Iterator[str]) -> Iterator[str]:
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > _MAX_CHARS:
            raise TemplateError("what the template makes is too long")
        yield piece


def _spelled(value: Any) -> Any:  # noqa: ANN401 - whatever an expression yields
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(str(_spelled(item)) for item in value)
    return _to_json(value) if isinstance(value, dict) else value


def _to_json(value: Json, indent: int | None = None) -> str:
    from jinja2 import Undefined

    return json.dumps("" if isinstance(value, Undefined) else value, ensure_ascii=False, indent=indent)
