"""The tables in the READMEs of evals/, prompts/ and results/, made from what they describe.

`python tests/support/reference.py` brings them up to date; what stands between the tables is written by hand.
"""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args, get_type_hints

from reference_words import COLUMNS, EXIT_CODES, FILES, RECORD, SECTIONS
from typer.models import CommandInfo

from evalkit.analysis.tidy import COLUMN_TYPES
from evalkit.cli.app import app
from evalkit.errors import ExitCode
from evalkit.exports.formats import FORMATS
from evalkit.imports.kinds import KINDS
from evalkit.lint.rules import RULES
from evalkit.models.config import models_schema
from evalkit.models.table import provider_table
from evalkit.report.by_scorer import SCORER_COLUMNS
from evalkit.report.confusion import LABEL_COLUMNS
from evalkit.scorers import SCORERS
from evalkit.scorers.catalogue import FAMILIES
from evalkit.scorers.extract import STEPS
from evalkit.scorers.options import Option, options_of
from evalkit.scorers.registry import Common
from evalkit.suite.schema import prompt_schema, suite_schema
from evalkit.types import Record

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = tuple(ROOT / folder / "README.md" for folder in ("evals", "prompts", "results"))
_BLOCK: Final = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
_TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "mapping",
}

Schema = Mapping[str, Any]


def refreshed(page: str) -> str:
    """Fill every block between markers with its table.

    Raises:
        KeyError: a marker names a table that there is none of.
    """
    return _BLOCK.sub(lambda block: f"{block[1]}\n{TABLES[block[2]]()}\n{block[3]}", page)


class Switch(NamedTuple):
    """An option or an argument of a command, as `--help` shows it."""

    names: tuple[str, ...]
    metavar: str
    help: str


def commands() -> dict[str, Callable[..., Any]]:
    """The functions behind all commands, by what is typed: `run`, `models pull`."""
    found = {_name(command): command.callback for command in app.registered_commands}
    for group in app.registered_groups:
        inner = group.typer_instance
        assert inner is not None
        assert inner.registered_callback is not None
        found[str(group.name)] = inner.registered_callback.callback
        found |= {f"{group.name} {_name(command)}": command.callback for command in inner.registered_commands}
    return {name: callback for name, callback in sorted(found.items()) if callback is not None}


def _name(command: CommandInfo) -> str:
    return command.name or str(getattr(command.callback, "__name__", "")).replace("_", "-")


def switches(command: Callable[..., Any]) -> list[Switch]:
    """What can follow a command's name, in the order of `--help`."""
    hints = get_type_hints(command, include_extras=True)
    parameters = inspect.signature(command).parameters.values()
    return [_switch(one, hints[one.name]) for one in parameters if hasattr(hints.get(one.name), "__metadata__")]


def _switch(parameter: inspect.Parameter, hint: Any) -> Switch:
    kind, info = get_args(hint)[0], hint.__metadata__[0]
    about = info.help or ""
    if parameter.default not in (parameter.empty, None, False) and "Default:" not in about:
        about += f" Default: {getattr(parameter.default, 'value', parameter.default)}."
    if type(info).__name__ == "ArgumentInfo":
        word = info.metavar or parameter.name.upper()
        optional = parameter.default is not parameter.empty and not word.startswith("[")
        return Switch((), f"[{word}]" if optional else word, about)
    # Typer takes the first name that an annotation gives for a default.
    given = tuple(part for part in (info.default, *(info.param_decls or ())) if isinstance(part, str))
    names = given or (f"--{parameter.name.replace('_', '-')}",)
    return Switch(names, info.metavar or "|".join(_choices(kind)), about)


def _choices(kind: Any) -> Iterable[str]:
    kinds = get_args(kind) or (kind,)
    return (str(member.value) for one in kinds if isinstance(one, enum.EnumMeta) for member in one)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in GitHub's markdown."""
    lines = [header, ["---"] * len(header), *([_escaped(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escaped(cell: str) -> str:
    """Escape what would end the cell, and outside of code what would be markup."""
    parts = re.split(r"(`[^`]*`)", " ".join(cell.split()).replace("|", r"\|"))
    return "".join(part if part.startswith("`") else re.sub(r"(<(?=[a-zA-Z/!])|\*)", r"\\\1", part) for part in parts)


def _code(words: Iterable[str]) -> str:
    return " ".join(f"`{word}`" for word in words)


def _described(names: Iterable[str], words: Mapping[str, str], header: str = "column") -> str:
    """A table of names, each with its meaning; every name must have one."""
    return table([header, "meaning"], [(f"`{name}`", words[name]) for name in names])


def _keys(schema: Schema, definitions: Schema) -> str:
    """The keys of a mapping by its JSON Schema; those of mappings in it follow theirs, with a dot between."""
    return table(["key", "value", "meaning"], _key_rows(schema, definitions, ""))


def _key_rows(schema: Schema, definitions: Schema, prefix: str) -> Iterable[tuple[str, str, str]]:
    for name, own in schema["properties"].items():
        key, reference = f"{prefix}{name}", own.get("$ref", "")
        described = definitions.get(reference.removeprefix("#/$defs/"), {}) | own
        required = " Required." if name in schema.get("required", ()) else ""
        default = f" Default: {described['default']}." if "default" in described else ""
        yield f"`{key}`", _value(described), described.get("description", "") + required + default
        if "properties" in described and not reference:
            yield from _key_rows(described, definitions, f"{key}.")


def _value(schema: Schema) -> str:
    """What may stand behind a key, in words."""
    if "enum" in schema:
        return " ".join(f"`{one}`" for one in schema["enum"])
    if "anyOf" in schema:
        return ", or ".join(_value(one) for one in schema["anyOf"])
    types = schema.get("type", [])
    names = [_TYPES[one] for one in ([types] if isinstance(types, str) else types) if one != "null"]
    words = " or ".join(names) or "any"
    bounds = [f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
    items = f" of {_value(schema['items'])}" if schema.get("items", {}).get("enum") else ""
    return words + items + (f", {' and '.join(bounds)}" if bounds else "")


_BOUNDS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def _suite() -> str:
    return _keys(suite_schema(), suite_schema()["$defs"])


def _suite_part(name: str, *way: str) -> Callable[[], str]:
    def made() -> str:
        part = definitions = suite_schema()["$defs"]
        for step in (name, *way):
            part = part[step]
        return _keys(part, definitions)

    return made


def _prompt_part(*way: str) -> Callable[[], str]:
    def made() -> str:
        part = prompt_schema()
        definitions = part["$defs"]
        for step in way:
            part = part[step]
        return _keys(part, definitions)

    return made


def _models() -> str:
    row = models_schema(provider_table())["$defs"]["model"]
    # Params have a table of their own, and so have providers.
    short = {name: {**row["properties"][name], "properties": {}} for name in ("params", "matrix")}
    row["properties"] |= {**short, "provider": {"description": "A row of the table below.", "type": "string"}}
    return _keys(row, {})


def _providers() -> str:
    rows = [
        (
            f"`{name}`",
            row.protocol,
            f"`{row.base_url or row.hosts}`" if row.is_api else "this machine",
            f"`{row.api_key_env}`" if row.api_key_env else "none",
            _code(row.requires),
        )
        for name, row in provider_table().items()
    ]
    return table(["provider", "protocol", "address", "key", "a row needs"], rows)


def _scorers() -> str:
    parts = []
    for family, names in FAMILIES.items():
        rows = [(f"`{name}`", _summary(SCORERS[name]), _example(SCORERS[name].example)) for name in names]
        parts.append(f"**{family}**\n\n" + table(["scorer", "what it says", "example"], rows))
    return "\n".join(parts)


def _steps() -> str:
    rows = [(f"`{name}`", _summary(step), _example(step.example)) for name, step in STEPS.items()]
    return table(["step", "takes", "example"], rows)


def _example(text: str) -> str:
    return f"`{text}`" if text and "`" not in text else text


def _scorer_options() -> str:
    rows = []
    for name, scorer in SCORERS.items():
        rows += [(f"`{name}`", f"`{one.name}`", _meaning(one)) for one in options_of(scorer).values()]
    return table(["scorer", "option", "meaning"], rows)


def _common() -> str:
    return table(["option", "meaning"], [(f"`{one.name}`", _meaning(one)) for one in options_of(Common).values()])


def _meaning(option: Option) -> str:
    more = " Required." if option.required else ""
    if option.default not in (None, (), ""):
        shown = str(option.default).lower() if isinstance(option.default, bool) else str(option.default)
        more = f" Default: {shown.removesuffix('.')}."
    return option.opt.help + more + (" May stand right behind the name." if option.opt.main else "")


def _summary(cls: type) -> str:
    return (cls.__doc__ or "").partition("\n")[0]


def _exit_codes() -> str:
    return table(["exit code", "meaning"], [(str(int(code)), EXIT_CODES[code.name]) for code in ExitCode])


def _record() -> str:
    return _described(Record.__dataclass_fields__, RECORD, "field")


def _commands() -> str:
    parts = []
    for name, command in commands().items():
        found = switches(command)
        arguments = "".join(f" {one.metavar}" for one in found if not one.names)
        about = inspect.cleandoc(command.__doc__ or "").replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")
        rows = [(_spelled(one), one.help) for one in found]
        options = table(["option", "meaning"], rows) if rows else ""
        parts.append(f"### `evalkit {name}{arguments}`\n\n{about}\n\n{options}")
    return "\n".join(parts)


def _spelled(switch: Switch) -> str:
    names = " ".join(f"`{name}`" for name in (part for given in switch.names for part in given.split("/")))
    return f"{names} {switch.metavar}".strip()


def _columns(name: str, columns: Callable[[], Iterable[str]]) -> Callable[[], str]:
    return lambda: _described(columns(), COLUMNS["any"] | COLUMNS[name])


def _own_columns(name: str) -> Callable[[], Iterable[str]]:
    """The columns of a table that are known from figures only: test_docs compares them with a real file's."""
    return lambda: COLUMNS[name]


def _imports() -> str:
    rows = [(f"`{kind.name}`", kind.words, f"a {kind.becomes}") for kind in KINDS.values()]
    return table(["kind", "source", "becomes"], rows)


def _exports() -> str:
    formats = [one for of in FORMATS.values() for one in of.values()]
    return table(["of", "format", "what it is"], [(one.what, f"`{one.name}`", one.words) for one in formats])


def _lint() -> str:
    return table(["rule", "finds"], [(f"`{rule.name}`", rule.words) for rule in RULES])


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "suite": _suite,
    "case": _suite_part("case", "else"),
    "case-file": _suite_part("case", "then"),
    "turn": _suite_part("scripted"),
    "tool": _suite_part("function"),
    "gate": _suite_part("gate"),
    "decide": _suite_part("decide"),
    "params": _suite_part("params"),
    "models": _models,
    "providers": _providers,
    "scorers": _scorers,
    "scorer-options": _scorer_options,
    "common": _common,
    "extract": _steps,
    "prompt": _prompt_part(),
    "inline-prompt": _suite_part("prompt", "then"),
    "message": _prompt_part("$defs", "turn", "else"),
    "message-by-role": _prompt_part("$defs", "turn", "then"),
    "part": _prompt_part("$defs", "part"),
    "files": lambda: _described(FILES, FILES, "file"),
    "cases-csv": _columns("cases.csv", lambda: COLUMN_TYPES),
    "models-csv": _columns("models.csv", _own_columns("models.csv")),
    "scorers-csv": _columns("scorers.csv", lambda: SCORER_COLUMNS),
    "labels-csv": _columns("labels.csv", lambda: LABEL_COLUMNS),
    "load-csv": _columns("load.csv", _own_columns("load.csv")),
    "sections": lambda: _described(SECTIONS, SECTIONS, "key"),
    "record": _record,
    "exit-codes": _exit_codes,
    "commands": _commands,
    "imports": _imports,
    "exports": _exports,
    "lint": _lint,
}
"""What makes each table, by the name in its marker."""


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")
