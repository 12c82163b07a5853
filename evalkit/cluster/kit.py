"""What a worker is sent: plain values, from which it makes the run's prompts, scorers and models anew."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from evalkit import __version__
from evalkit.errors import ConfigError, Location
from evalkit.runner.budget import Ceilings
from evalkit.runner.execute import Execution
from evalkit.runner.job import Job
from evalkit.runner.line import Account, accounts
from evalkit.runner.manifest import Selection
from evalkit.runner.retry import RetryPolicy
from evalkit.scorers import compile_scorer
from evalkit.types import Call, Case, Completion, Json, Model, Prompt, Record, ScorerContext, ScorerEntry, Suite

Spelled = tuple[str, ScorerContext]
"""A scorer as a suite spells it, in JSON, with what it may know of the suite."""
_KEPT: Final = 1024


class Versions(NamedTuple):
    """What driver and workers must have in common."""

    evalkit: str
    python: str

    def __str__(self) -> str:
        return f"evalkit {self.evalkit} on Python {self.python}"


def versions() -> Versions:
    """Tell what runs here; of Python, the part that matters to what is sent."""
    return Versions(__version__, ".".join(platform.python_version_tuple()[:2]))


@dataclass(frozen=True, slots=True)
class Kit:
    """All that a worker needs but the cases.

    Attributes:
        suite: without cases and scorers.
        scorers: the suite's.
        models: the candidates, with the parameters in force.
        judges: models that scorers ask.
        prompts: to ask with.
        accounts: that models are asked on.
        ceilings: of the budget.
        policy: the ceilings of a call.
        place: where parts lie: a folder, or a URL.
        session: the header of what a worker writes.
    """

    suite: Suite
    scorers: tuple[Spelled, ...]
    models: tuple[Model, ...]
    judges: tuple[Model, ...]
    prompts: tuple[Prompt, ...]
    accounts: tuple[Account, ...]
    ceilings: Ceilings
    policy: RetryPolicy
    place: str
    session: Mapping[str, Json]

    def job(self) -> Job:
        """Make the job that this worker has a part in, without its cases.

        Raises:
            ConfigError: a scorer cannot be made ready here, such as for a file that is missing on this node.
        """
        suite = dataclasses.replace(self.suite, scorers=_entries(self.scorers))
        return Job(suite, self.models, self.prompts, (), Selection(0), suite.trials, self.judges)


def kit_of(run: Execution, place: str) -> Kit:
    """Pack what workers need."""
    job = run.job
    everyone = {model.name: model for model in (*job.judges, *job.models)}
    concurrency = {name: run.providers[name].concurrency for name in everyone}
    return Kit(
        suite=_bare(job.suite),
        scorers=_spelled(job.suite.scorers),
        models=job.models,
        judges=job.judges,
        prompts=job.prompts,
        accounts=tuple(accounts(everyone.values(), concurrency)),
        ceilings=run.ceilings,
        policy=run.policy,
        place=place,
        session=run.manifest.session(),
    )


def _bare(suite: Suite) -> Suite:
    """A suite as it can be sent: compiled scorers and cases on disk stay."""
    return dataclasses.replace(suite, cases=(), scorers=())


def _spelled(entries: Sequence[ScorerEntry]) -> tuple[Spelled, ...]:
    """Spell scorers, for others to compile."""
    return tuple((entry.spelling, entry.context) for entry in entries if entry.context is not None)


class Item(NamedTuple):
    """A call to make, with its case; or, where `record` holds how it ended, one to judge.

    `scorers` are the case's own and those of each of its turns, `begun` the replies with which a conversation began.
    """

    call: Call
    case: Case
    scorers: tuple[tuple[Spelled, ...], ...] = ()
    record: Record | None = None
    begun: tuple[Completion, ...] = ()

    def whole(self) -> Case:
        """The case with its scorers.

        Raises:
            ConfigError: one cannot be made ready here.
        """
        if not self.scorers:
            return self.case
        own, *of_turns = self.scorers
        turns = zip(self.case.turns, of_turns, strict=True)
        return dataclasses.replace(
            self.case,
            scorers=_entries(own),
            turns=tuple(dataclasses.replace(turn, scorers=_entries(texts)) for turn, texts in turns),
        )


def item(call: Call, case: Case, record: Record | None = None, begun: tuple[Completion, ...] = ()) -> Item:
    """Make what a worker is sent of a call."""
    if not case.scorers and not any(turn.scorers for turn in case.turns):
        return Item(call, case, (), record, begun)
    scorers = (_spelled(case.scorers), *(_spelled(turn.scorers) for turn in case.turns))
    turns = tuple(dataclasses.replace(turn, scorers=()) for turn in case.turns)
    return Item(call, dataclasses.replace(case, scorers=(), turns=turns), scorers, record, begun)


@dataclass(frozen=True, slots=True)
class Block:
    """Some calls of one model, for one worker; `suite` is the fingerprint of what they were cut from."""

    number: int
    model: str
    suite: str
    items: tuple[Item, ...]

    def packed(self) -> bytes:
        """Spell it as bytes, which `unpacked` reads; several times faster than what a cluster would do by itself."""
        out = io.BytesIO()
        pickler = pickle.Pickler(out, protocol=5)
        pickler.dispatch_table = _REDUCED
        pickler.dump(self)
        return out.getvalue()


def unpacked(data: bytes) -> Block:
    """Read a block that this run's driver has packed."""
    block: Block = pickle.loads(data)  # noqa: S301 - by the driver, as all that Ray brings
    return block


def _by_values(kind: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Pickle objects of a dataclass by their values: the usual way, by their state, looks up the fields each time."""
    values = attrgetter(*(one.name for one in dataclasses.fields(kind)))
    return lambda one: (kind, values(one))


def _path(location: Location) -> tuple[Any, ...]:
    return Location, (str(location.path), location.line, location.column)


_REDUCED: Final[dict[type[Any], Callable[[Any], tuple[Any, ...]]]] = {
    **{kind: _by_values(kind) for kind in (Call, Case)},
    Location: _path,
    MappingProxyType: lambda mapping: (dict, (dict(mapping),)),
}


def _entries(scorers: Sequence[Spelled]) -> tuple[ScorerEntry, ...]:
    return tuple(_entry(spelling, _Known(context)) for spelling, context in scorers)


class _Known:
    """A context as a key: it holds a schema, which is none."""

    def __init__(self, context: ScorerContext) -> None:
        self.context = context
        schema = json.dumps(context.output_schema, sort_keys=True, default=str)
        self._key = (str(context.base_dir), schema, context.allow_code, context.judge)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and self._key == other._key


@lru_cache(maxsize=_KEPT)
def _entry(spelling: str, known: _Known) -> ScorerEntry:
    return compile_scorer(json.loads(spelling), context=known.context)


def check_versions(theirs: Versions, node: str) -> None:
    """See that a worker runs what we do.

    Raises:
        ConfigError: it does not.
    """
    ours = versions()
    if theirs != ours:
        raise ConfigError(
            f"the node {node} runs {theirs}, this machine {ours}", remedy="install the same versions on every node"
        )
