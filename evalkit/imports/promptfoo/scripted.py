"""Assertions that are scripts: plain lines are said in our scorers, other Python becomes a function that one calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from evalkit.imports.promptfoo.context import Assertion, CannotError, CaseContext
from evalkit.imports.promptfoo.files import SCHEME, is_code, is_reference
from evalkit.imports.promptfoo.functions import Judging, as_function
from evalkit.imports.promptfoo.plain import seen_through
from evalkit.imports.promptfoo.pycode import check_code
from evalkit.imports.promptfoo.scripts.conditions import scorer_of
from evalkit.imports.promptfoo.scripts.javascript import parse_javascript
from evalkit.imports.promptfoo.scripts.python import parse_python
from evalkit.imports.promptfoo.scripts.subjects import Text, Value
from evalkit.imports.promptfoo.scripts.tree import Expression, NotMechanicalError, with_names
from evalkit.imports.promptfoo.specs import Spec
from evalkit.imports.promptfoo.transforms import chained

_INLINE: Final = "script"
_DEFAULT: Final = "get_assert"
"""The function of a file that promptfoo calls where none is named."""
_OURS: Final = frozenset({"output", "expected", "vars", "context"})
"""What stands where a function is called, and would hide it if it had the same name."""


def is_python(reference: str) -> bool:
    """Whether a reference to a program names one in Python, with or without a function."""
    return _file_of(reference)[0].endswith(".py")


def _file_of(reference: str) -> tuple[str, str]:
    """The file and the function that a reference names."""
    name = reference.removeprefix(SCHEME)
    file, colon, function = name.rpartition(":")
    return (file, function) if colon and file.endswith(".py") else (name, _DEFAULT)


def _javascript(assertion: Assertion, context: CaseContext) -> Spec:
    text = _script(assertion)
    try:
        return _mechanical(parse_javascript, text, assertion, context)
    except NotMechanicalError as error:
        raise CannotError(f"{error}; it is no mechanical one-liner") from None


def _python(assertion: Assertion, context: CaseContext) -> Spec:
    value = assertion.value
    if isinstance(value, str) and is_reference(value):
        return _called(assertion, context, value)
    text = _script(assertion)
    try:
        return _mechanical(parse_python, text, assertion, context)
    except NotMechanicalError:
        return _called(assertion, context, text)


def _script(assertion: Assertion) -> str:
    text = assertion.value
    if not isinstance(text, str) or not text.strip():
        raise CannotError("it has no script")
    if is_code(text):
        raise CannotError(f"{text} is a program, and nothing is run here")
    return text


def _mechanical(parse: Callable[[str], Expression], text: str, assertion: Assertion, context: CaseContext) -> Spec:
    """Say a script in scorers.

    Raises:
        NotMechanicalError: it says more.
    """
    tree = parse(text)
    if assertion.lens != Text():
        own = assertion.node.get("transform")
        steps = [*context.transforms, *([own] if own else [])]
        before = chained([str(one.value) for one in steps])
        tree = with_names(tree, {"output": before})
    return scorer_of(tree, assertion.scope, assertion.threshold, negate=_is_negated(assertion))


def _is_negated(assertion: Assertion) -> bool:
    return (assertion.node.text("type") or "").startswith("not-")


def _called(assertion: Assertion, context: CaseContext, value: str) -> Spec:
    """Have Python called as it stands: a file of the config's, or code in it.

    Raises:
        CannotError: it asks for more than our scorer gives.
    """
    if context.tools or context.live:
        raise CannotError("its `output` is more than the answer's text: the calls of tools, or what a session gave")
    if isinstance(assertion.lens, Value):
        raise CannotError("its Python is given a value that a transform makes of the answer")

    def make(seen: Text) -> Spec:
        if seen != Text():
            raise CannotError("its Python is given a changed text")
        return {"python": {"function": take(assertion, context, value)}}

    take = _from_file if is_reference(value) else _from_config
    return seen_through(assertion, make)


def _from_file(assertion: Assertion, context: CaseContext, reference: str) -> str:
    where = assertion.node.where
    name, function = _file_of(reference)
    if function in _OURS:
        raise CannotError(f"its function is called `{function}`, as what it is given is")
    path = context.files.paths(name, where)[0]
    text = context.files.text(path, where)
    packages = check_code(text, function, path.parent)
    made = context.functions.of_file(path, text, function, _judging(assertion), where)
    _remark(assertion, context, made, packages)
    return made


def _from_config(assertion: Assertion, context: CaseContext, code: str) -> str:
    where = assertion.node.where
    written = assertion.node.text("value") or ""
    if written != code and not is_reference(written):
        raise CannotError("vars are put into its Python, where `context['vars']` would do")
    packages = check_code(f"import json\n{as_function(code, _INLINE)}", _INLINE, Path(where.path).parent)
    made = context.functions.inline(code, _judging(assertion), where)
    _remark(assertion, context, made, packages)
    return made


def _judging(assertion: Assertion) -> Judging:
    node = assertion.node.get("config")
    config = None if node is None else node.value
    try:
        plain = "{{" not in json.dumps(config, allow_nan=False)
    except (TypeError, ValueError):
        plain = False
    if not plain:
        raise CannotError("its `config` is more than plain data")
    return Judging(assertion.threshold, _is_negated(assertion), config)


def _remark(assertion: Assertion, context: CaseContext, function: str, packages: list[str]) -> None:
    where = assertion.node.where
    words = f"its Python is in {function.rpartition(':')[0]} as it stands; nothing of it was run"
    context.notes.remark(where, "assertion", words, "read it, then run the suite with --allow-code")
    for name in packages:
        context.notes.remark(where, "assertion", f"its Python needs the package `{name}`", "install it beside evalkit")


CARRIERS: Final[Mapping[str, Callable[[Assertion, CaseContext], Spec]]] = {
    "javascript": _javascript,
    "python": _python,
}
