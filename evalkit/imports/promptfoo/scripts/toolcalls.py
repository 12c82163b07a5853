"""What scripts ask about the tools that were called, as scorers of tool calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from evalkit.imports.promptfoo.scripts.subjects import Scope, Step
from evalkit.imports.promptfoo.scripts.tree import NotMechanicalError
from evalkit.imports.promptfoo.specs import Spec
from evalkit.types import Json

_ANY_CALL: Final = "any of the calls may be the one; promptfoo looks at the first"


def name_is(name: str, scope: Scope) -> Spec:
    """A call of this function was made."""
    scope.remark(_ANY_CALL)
    return {"tool_call": {"calls": [name], "extra_calls": "allow"}}


def argument_is(path: tuple[Step, ...], value: Json, scope: Scope) -> Spec:
    """A call was made with this value of an argument.

    Raises:
        NotMechanicalError: several tools have such an argument, or none; or it lies inside of one.
    """
    owners = [name for name, parameters in scope.tools.items() if path[0] in _properties(parameters)]
    if len(path) != 1 or len(owners) != 1 or isinstance(value, (dict, list)):
        raise NotMechanicalError("an argument of a call, without saying of which tool")
    scope.remark(_ANY_CALL)
    call: dict[str, Json] = {"name": owners[0], "arguments": {str(path[0]): value}}
    return {"tool_call": {"calls": [call], "extra_calls": "allow", "extra_arguments": "allow", "strings": "exact"}}


def valid_call(scope: Scope) -> Spec:
    """A call was made of one of the tools, with the arguments that it requires.

    Raises:
        NotMechanicalError: there are no tools.
    """
    if not scope.tools:
        raise NotMechanicalError("no tools are configured")
    specs: list[Spec] = [
        {"tool_call": {"calls": [_call(name, schema)], "extra_calls": "allow", **_extra(schema)}}
        for name, schema in scope.tools.items()
    ]
    return specs[0] if len(specs) == 1 else {"any_of": {"scorers": list(specs)}}


def _call(name: str, schema: Mapping[str, Json]) -> Json:
    required = schema.get("required")
    names = [str(one) for one in required] if isinstance(required, list) else []
    properties = _properties(schema)
    return {"name": name, "accept": {one: _accepted(properties.get(one)) for one in names}} if names else name


def _accepted(schema: Json) -> Json:
    choices = schema.get("enum") if isinstance(schema, Mapping) else None
    return choices if isinstance(choices, list) and choices else "any"


def _extra(schema: Mapping[str, Json]) -> dict[str, Json]:
    return {"extra_arguments": "allow"} if schema.get("required") else {}


def _properties(schema: Mapping[str, Json]) -> Mapping[str, Json]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}
