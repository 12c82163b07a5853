"""Assertions that are one-line scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from evalkit.imports.promptfoo.context import Assertion, CannotError, CaseContext
from evalkit.imports.promptfoo.files import is_code
from evalkit.imports.promptfoo.scripts.conditions import scorer_of
from evalkit.imports.promptfoo.scripts.javascript import parse_javascript
from evalkit.imports.promptfoo.scripts.python import parse_python
from evalkit.imports.promptfoo.scripts.subjects import Text
from evalkit.imports.promptfoo.scripts.tree import Expression, NotMechanicalError, with_names
from evalkit.imports.promptfoo.specs import Spec
from evalkit.imports.promptfoo.transforms import chained


def _script(parse: Callable[[str], Expression]) -> Callable[[Assertion, CaseContext], Spec]:
    def carrier(assertion: Assertion, context: CaseContext) -> Spec:
        text = assertion.value
        if not isinstance(text, str) or not text.strip():
            raise CannotError("it has no script")
        if is_code(text):
            raise CannotError(f"{text} is a program, and nothing is run here")
        try:
            tree = parse(text)
            if assertion.lens != Text():
                own = assertion.node.get("transform")
                steps = [*context.transforms, *([own] if own else [])]
                before = chained([str(one.value) for one in steps])
                tree = with_names(tree, {"output": before})
            negate = (assertion.node.text("type") or "").startswith("not-")
            return scorer_of(tree, assertion.scope, assertion.threshold, negate=negate)
        except NotMechanicalError as error:
            raise CannotError(f"{error}; it is no mechanical one-liner") from None

    return carrier


CARRIERS: Final[Mapping[str, Callable[[Assertion, CaseContext], Spec]]] = {
    "javascript": _script(parse_javascript),
    "python": _script(parse_python),
}
