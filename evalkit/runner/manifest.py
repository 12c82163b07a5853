"""The run folder's description: manifest.json (what was asked of whom) and cases.jsonl (the cases that were asked).

Together with records.jsonl and scores.jsonl they are all that a report needs; the suite file may have changed since.
Neither holds a secret (keys are named, never kept) nor a counter (figures come from the rows).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from evalkit.errors import ConfigError, Location
from evalkit.files import write_atomically
from evalkit.models.prices import make_price
from evalkit.types import MISSING, Case, CaseFile, Gpu, Json, Price, Turn

MANIFEST = "manifest.json"
CASES = "cases.jsonl"
FORMAT = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ManifestSuite:
    """The suite a run belongs to."""

    name: str
    path: str
    description: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ManifestModel:
    """A candidate as it was asked: parameters in force, prices in force. `notes` are for the report's reader.

    `concurrency` is 0 where it is not known how many calls were in flight.
    """

    name: str
    provider: str
    fingerprint: str
    model: str | None = None
    base_url: str | None = None
    weights: str | None = None
    function: str | None = None
    params: Mapping[str, Json] = field(default_factory=dict)
    price: Price | None = None
    gpu: Gpu | None = None
    concurrency: int = 1
    warmup: int = 0
    verify: bool = True
    data_policy: str | None = None
    license: str | None = None
    region: str | None = None
    context_window: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestPrompt:
    """A prompt that was asked. `file` is set for one that was named on the command line, not by the suite.

    `template` is its text, message by message, for people to compare; empty in the runs of older releases.
    """

    name: str
    fingerprint: str
    file: str | None = None
    template: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of the suite's cases were asked: all, or those that `filter` matches, or a seeded sample of `limit`."""

    cases_in_suite: int
    filter: tuple[str, ...] = ()
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """How a load run sent its calls: so many per second to each model, whether or not it had answered the others.

    `arrivals` is "constant" (evenly spaced) or "poisson" (at random, by the selection's seed).
    """

    rate_per_s: float
    arrivals: str = "constant"


@dataclass(frozen=True, slots=True)
class RaceStop:
    """A candidate that a race stopped after so many cases.

    `why` is "worse" (shown not to be among the best), "near" (shown not to be better than the best by more than the
    margin) or "unavailable" (its model could not be asked any more). `ahead` is the model and prompt that led it then,
    `p` the p-value of what was shown; both are None for a model that could not be asked.
    """

    model: str
    prompt: str
    cases: int
    why: str
    ahead: tuple[str, str] | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Race:
    """The rule of a race, and what came of it so far.

    `keep` candidates are wanted; a lead of `margin` is no reason to go on; `metric` is "pass_rate" or "score". The
    order of the cases is drawn by the selection's seed. `cases` were decided on; `over` tells whether the race has
    ended by its rule: with `keep` candidates left, or with all cases asked.
    """

    keep: int = 1
    margin: float = 0.02
    metric: str = "pass_rate"
    over: bool = False
    cases: int = 0
    stops: tuple[RaceStop, ...] = ()

    @property
    def rule(self) -> Race:
        """The rule alone."""
        return Race(self.keep, self.margin, self.metric)


@dataclass(frozen=True, slots=True)
class Imported:
    """Where the results of a run come from that another tool made: the tool with its version, the file, its SHA-256.

    Of several files, `source` is their folder, and `sha256` is of the lines `<SHA-256>  <name>`, one for each.
    """

    tool: str
    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Client:
    """How busy this machine was. Shares are of one CPU core, 0..1, sampled while the run went on.

    `loop_lag_ms` is the longest time that the event loop was held up.
    """

    loop_lag_ms: float
    cpu_share_mean: float
    cpu_share_max: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run asked, of whom, with which versions, on which machine. Times are UTC, ISO 8601.

    `limit_history` tells per model how its limit on calls in flight changed: seconds into the run, new limit, reason.
    `judges` are the models that scorers ask. `stopped` says why a run ended before it was through, other than by a
    signal: a budget was used up. `concurrency` is what the command line asked for. `cluster`, `gate`, `decide`
    and `vars` are the suite's. `imported` is set where another tool asked the models and judged their answers.
    """

    run_id: str
    created_at: str
    evalkit: str
    suite: ManifestSuite
    models: tuple[ManifestModel, ...]
    prompts: tuple[ManifestPrompt, ...]
    selection: Selection
    trials: int = 1
    threshold: float | None = None
    cluster: str | None = None
    gate: Mapping[str, Json] = field(default_factory=dict)
    decide: Mapping[str, Json] = field(default_factory=dict)
    vars: Mapping[str, Json] = field(default_factory=dict)
    judges: tuple[ManifestModel, ...] = ()
    models_file: str | None = None
    concurrency: int | str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, Json] = field(default_factory=dict)
    git: Mapping[str, Json] | None = None
    resumed_at: tuple[str, ...] = ()
    rescored_at: tuple[str, ...] = ()
    finished_at: str | None = None
    load: Load | None = None
    race: Race | None = None
    stopped: str | None = None
    client: Client | None = None
    limit_history: Mapping[str, tuple[tuple[float, int, str], ...]] = field(default_factory=dict)
    imported: Imported | None = None

    def session(self) -> dict[str, Json]:
        """Return the header of what a process writes that carries this run on: who asks what, since when."""
        return {
            "started_at": self.resumed_at[-1] if self.resumed_at else self.created_at,
            "evalkit": self.evalkit,
            "suite": self.suite.fingerprint,
            "models": {model.name: model.fingerprint for model in self.models},
            "prompts": {prompt.name: prompt.fingerprint for prompt in self.prompts},
        }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json in one step."""
    content = {"format": FORMAT, **asdict(manifest)}
    write_atomically(folder / MANIFEST, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Read manifest.json.

    Raises:
        ConfigError: the folder is not a run, or was written by a release that this one does not understand.
    """
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"no run here: {path} does not exist", remedy="name a folder such as results/SUITE/RUN-ID"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot be read: {error}", where=Location(path)) from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ConfigError(
            f"is not a manifest of format {FORMAT}",
            where=Location(path),
            remedy="use the release that wrote it",
        )
    try:
        return _manifest(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"is damaged: {error}", where=Location(path)) from None


def _manifest(data: Mapping[str, Any]) -> Manifest:
    plain = _known(Manifest, data)
    return Manifest(
        **{
            **plain,
            "suite": ManifestSuite(**_known(ManifestSuite, data["suite"])),
            "models": tuple(_model(row) for row in data["models"]),
            "judges": tuple(_model(row) for row in data.get("judges", ())),
            "prompts": tuple(_prompt(row) for row in data["prompts"]),
            "selection": Selection(
                **{
                    **_known(Selection, data["selection"]),
                    "filter": tuple(data["selection"].get("filter", ())),
                }
            ),
            "load": Load(**_known(Load, data["load"])) if data.get("load") else None,
            "race": _race(data["race"]) if data.get("race") else None,
            "client": Client(**_known(Client, data["client"])) if data.get("client") else None,
            "imported": Imported(**_known(Imported, data["imported"])) if data.get("imported") else None,
            "resumed_at": tuple(data.get("resumed_at", ())),
            "rescored_at": tuple(data.get("rescored_at", ())),
            "limit_history": {
                model: tuple((float(at_s), int(limit), str(reason)) for at_s, limit, reason in changes)
                for model, changes in data.get("limit_history", {}).items()
            },
        }
    )


def _race(row: Mapping[str, Any]) -> Race:
    return Race(**{**_known(Race, row), "stops": tuple(map(_race_stop, row.get("stops", ())))})


def _race_stop(row: Mapping[str, Any]) -> RaceStop:
    ahead = row.get("ahead")
    return RaceStop(**{**_known(RaceStop, row), "ahead": (str(ahead[0]), str(ahead[1])) if ahead else None})


def _prompt(row: Mapping[str, Any]) -> ManifestPrompt:
    template = tuple((str(role), str(text)) for role, text in row.get("template", ()))
    return ManifestPrompt(**{**_known(ManifestPrompt, row), "template": template})


def _model(row: Mapping[str, Any]) -> ManifestModel:
    price, gpu = row.get("price"), row.get("gpu")
    return ManifestModel(
        **{
            **_known(ManifestModel, row),
            "notes": tuple(row.get("notes", ())),
            "price": make_price(price) if price else None,
            "gpu": Gpu(**_known(Gpu, gpu)) if gpu else None,
        }
    )


def _known(kind: type[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the keys this release knows, so that a newer release's additions do no harm."""
    names = {item.name for item in fields(kind)}
    return {key: value for key, value in row.items() if key in names}


def write_cases(folder: Path, cases: Iterable[Case]) -> None:
    """Write cases.jsonl in one step: one row per selected case, in the suite's order."""
    write_atomically(folder / CASES, (encode_case(case) for case in cases))


def encode_case(case: Case) -> str:
    """A case as a row of cases.jsonl. Scorers are the suite's business and are not kept."""
    row: dict[str, Json] = {"id": case.id, "tags": list(case.tags), "vars": case.vars}
    if case.expected is not MISSING:
        row["expected"] = case.expected
    if case.turns:
        row["turns"] = [turn.user for turn in case.turns]
    if case.files:
        row["files"] = {written: [file.path, file.sha256] for written, file in case.files.items()}
    return json.dumps(row, ensure_ascii=False) + "\n"


def read_cases(folder: Path) -> Iterator[Case]:
    """Read cases.jsonl one by one, in the order the run asked them.

    Raises:
        ConfigError: the file is missing or damaged.
    """
    path = folder / CASES
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                yield Case(
                    row["id"],
                    row["vars"],
                    row.get("expected", MISSING),
                    tuple(row["tags"]),
                    turns=tuple(Turn(user) for user in row.get("turns", ())),
                    files={written: CaseFile(*file) for written, file in row.get("files", {}).items()},
                )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=Location(path)) from None
