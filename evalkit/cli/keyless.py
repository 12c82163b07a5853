"""The models that a run would ask and whose keys are not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evalkit.cli.messages import print_warning
from evalkit.errors import ConfigError
from evalkit.providers.keys import find_key
from evalkit.types import Model


def keyless(models: Iterable[Model]) -> list[ConfigError]:
    """Find the models whose key is missing or no key, as one error each."""
    found = (find_key(model)[1] for model in {model.name: model for model in models}.values())
    return [problem for problem in found if problem is not None]


def unready(models: Iterable[Model], problems: Iterable[ConfigError], *, dry_run: bool) -> Iterator[ConfigError]:
    """Leave what stops a run of the problems that its models have: where nobody is asked, a missing key does not."""
    without_key = {problem.message for problem in keyless(models)} if dry_run else set[str]()
    return (problem for problem in problems if problem.message not in without_key)


def warn_of_keyless(models: Iterable[Model]) -> None:
    """Print which keys a run would lack."""
    for problem in keyless(models):
        print_warning(f"warning: {problem}; the run itself would stop there")
        print_warning(f"  -> {problem.remedy}")
