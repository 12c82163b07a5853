"""The Python of assertions as files beside the suite, with functions that the scorer `python` calls.

What promptfoo would call stands there as it was. Below it, one function for each assertion that calls it as promptfoo
does, and makes of what it returns what promptfoo makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from evalkit.errors import Location
from evalkit.types import Json

_INLINE: Final = "python_assertions.py"
_INDENTED: Final = re.compile(r"^[ \t]+(?=\S)", re.MULTILINE)
_HEAD: Final = (
    '"""Assertions in Python, as they stood in {name}. They are run with --allow-code alone."""\n\nimport json\n'
)
_RULE: Final = "# Above: the Python of promptfoo's assertions. Below: how evalkit's scorer `python` calls it."
_HELPERS: Final = '''\
def _promptfoo_verdict(function, output, context, *, threshold=None, negated=False):
    """Judge as promptfoo does: a function that fails on the way fails the answer, also where it is negated."""
    try:
        passed, score, reason = _promptfoo_result(function(output, context), threshold, negated)
    except ImportError:
        raise
    except Exception as error:
        return {"value": 0.0, "passed": False, "reason": f"{type(error).__name__}: {error}"}
    return {"value": min(max(score, 0.0), 1.0), "passed": passed, "reason": "" if passed else reason}


def _promptfoo_result(result, threshold, negated):
    """Read true or false, a number, or a mapping of pass, score and reason; each may be spelled as text."""
    import json
    import math

    if isinstance(result, str):
        plain = result.lower()
        result = plain == "true" if plain in ("true", "false") else result
    if isinstance(result, str) and result.startswith("{"):
        result = json.loads(result)
    if isinstance(result, bool):
        return result != negated, float(result != negated), f"it returned {result}"
    if isinstance(result, dict):
        passed, score, reason = result.get("pass", result.get("pass_")), result.get("score"), result.get("reason")
        if not isinstance(passed, bool) or not isinstance(score, (int, float)) or not isinstance(reason, str):
            raise TypeError("a verdict is true or false, a number, or a mapping of pass, score and reason")
        if threshold is not None and score < threshold:
            passed, reason = False, f"its score {score} is below {threshold}: {reason}"
        return passed != negated, float(score), reason
    score = float(result)
    if math.isnan(score):
        raise ValueError("it returned no number")
    passed = score > 0 if threshold is None else score >= threshold
    return passed != negated, score, f"it returned {score:g}"
'''


class Judging(NamedTuple):
    """How an assertion takes what its function returns, and the `config` that this gets."""

    threshold: float | None = None
    negated: bool = False
    config: Json = None


@dataclass(slots=True)
class _File:
    """A file to be written: the functions of promptfoo's side as text, and those that call them by what they are of."""

    parts: list[str]
    checks: dict[tuple[str, str], str] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Functions:
    """Gathers the Python of assertions; what several have in common is written once."""

    _files: dict[str, _File] = field(default_factory=dict)
    _names: dict[Path, str] = field(default_factory=dict)
    _scripts: dict[str, str] = field(default_factory=dict)

    def inline(self, code: str, judging: Judging, where: Location) -> str:
        """Take code that stands in the config.

        Args:
            code: as promptfoo has it, a body of a function or an expression.
            judging: how it judges.
            where: its place.

        Returns:
            The function as the scorer `python` names it.
        """
        file = self._files.setdefault(_INLINE, _File([_HEAD.format(name=_shown(where))]))
        name = self._scripts.get(code)
        if name is None:
            name = self._scripts[code] = f"script_{len(self._scripts) + 1}"
            file.parts.append(as_function(code, name))
        return f"{_INLINE}:{_check(file, name, judging, where)}"

    def of_file(self, path: Path, text: str, function: str, judging: Judging, where: Location) -> str:
        """Take a function of a file.

        Args:
            path: of the file.
            text: all of it.
            function: its name.
            judging: how it judges.
            where: the assertion's place.

        Returns:
            The function as the scorer `python` names it.
        """
        name = self._names.setdefault(path, self._free_name(path))
        file = self._files.setdefault(name, _File([text.removeprefix("\ufeff")]))
        return f"{name}:{_check(file, function, judging, where)}"

    def _free_name(self, path: Path) -> str:
        stem = re.sub(r"\W+", "_", path.stem, flags=re.ASCII) or "assertion"
        taken = {_INLINE, "to_do.py", *self._files}
        names = (f"{stem}{ending}.py" for ending in ("", *(f"_{number}" for number in range(2, len(taken) + 3))))
        return next(name for name in names if name not in taken)

    def files(self) -> Mapping[str, str]:
        """The texts of the files by their names."""
        return {name: _text(file) for name, file in self._files.items()}


def as_function(code: str, name: str) -> str:
    """Write code as the function that promptfoo makes of it: of one line, what it says is returned."""
    if "\n" not in code:
        return f"def {name}(output, context):\n    return {code}\n"
    found = _INDENTED.search(code)
    indent = found[0] if found else "    "
    body = "".join(f"{indent}{line}\n" if line.strip() else "\n" for line in code.rstrip().split("\n"))
    return f"def {name}(output, context):\n{body}"


def _check(file: _File, function: str, judging: Judging, where: Location) -> str:
    """Add the function that calls another; returns its name."""
    options = f", threshold={judging.threshold!r}" if judging.threshold is not None else ""
    options += ", negated=True" if judging.negated else ""
    config = f', "config": {judging.config!r}' if judging.config is not None else ""
    known = file.checks.get((function, options + config))
    if known is not None:
        return known
    name = _free(f"check_{len(file.checks) + 1}", file)
    file.checks[function, options + config] = name
    file.bodies.append(
        f"def {name}(output, expected, vars):\n"
        f'    """Judge as {_shown(where)}, line {where.line}, does."""\n'
        f'    context = {{"vars": vars, "test": {{"vars": vars}}{config}}}\n'
        f"    return _promptfoo_verdict({function}, output, context{options})\n"
    )
    return name


def _shown(where: Location) -> str:
    """A file's name as a comment can hold it."""
    return re.sub(r"[^\w. -]", "_", Path(where.path).name)


def _free(name: str, file: _File) -> str:
    """A name that the file's own code does not use."""
    while any(re.search(rf"\b{name}\b", part) for part in file.parts):
        name = f"evalkit_{name}"
    return name


def _text(file: _File) -> str:
    return "\n\n".join(_paragraphs(file))


def _paragraphs(file: _File) -> Iterator[str]:
    yield from (f"{part.rstrip()}\n" for part in file.parts)
    yield f"{_RULE}\n"
    yield from file.bodies
    yield _HELPERS
