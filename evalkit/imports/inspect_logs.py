"""Logs of Inspect as a run: .json and .eval files, one or a folder of them. Epochs become trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from evalkit.errors import ConfigError, Location
from evalkit.imports.draft import DraftRun, Share
from evalkit.imports.folders import files_in
from evalkit.imports.gathering import MAX_TRIALS, Found, Gathered, Notes, complete_notes, free_name
from evalkit.imports.grades import PASS_AT, tell_deciding
from evalkit.imports.inspect_files import Log, NoLogError
from evalkit.imports.inspect_samples import Grade, answer_of, case_of, deciding, grades_of
from evalkit.imports.options import ImportOptions
from evalkit.imports.values import count, first_moment, items, mapping, moment, one_line, text
from evalkit.imports.write import suite_name
from evalkit.models.hosts import url_problem
from evalkit.runner.manifest import ManifestModel, ManifestPrompt
from evalkit.runner.plan import fingerprint
from evalkit.scorers.options import unknown_name
from evalkit.types import Json

TOOL: Final = "inspect_ai"
_ENDINGS: Final = (".eval", ".json")
_UNSENT: Final = frozenset(
    {"max_connections", "adaptive_connections", "max_retries", "timeout", "attempt_timeout", "extra_headers"}
)
"""Settings of a generation that decide nothing of the answer, or may hold a key."""


def read(source: Path, options: ImportOptions) -> DraftRun:
    """Read a log of Inspect, or a folder of them.

    Raises:
        ConfigError: nothing of it can be read.
    """
    where = Location(source)
    reading = _Reading(source, options)
    gathered = Gathered(reading.found())
    notes = reading.notes
    if not gathered.tally.answers:
        told = notes.all(where)
        why = f"{told[0].where}: {told[0].message}" if told else "its samples were not logged, or none was finished"
        raise ConfigError(f"holds no sample that can be read: {why}", where=where)
    if options.scorer is not None and options.scorer not in reading.scorers:
        raise unknown_name("scorer", options.scorer, sorted(reading.scorers))
    gathered.tally.trials = max(gathered.tally.trials, reading.epochs)
    reading.tell_limits(where)
    return DraftRun(
        suite=suite_name(options.name or reading.name()),
        tool=reading.tool,
        source=str(source),
        created_at=min(filter(None, reading.began), default="") or first_moment(source),
        finished_at=max(filter(None, reading.ended), default=None),
        models=tuple(reading.models[name] for name in gathered.models),
        prompts=tuple(reading.prompts[name] for name in gathered.prompts),
        cases=gathered.cases,
        answers=gathered.answers,
        trials=gathered.tally.trials,
        files=tuple(reading.files),
        threshold=PASS_AT if reading.graded else None,
        notes=complete_notes(notes, gathered, where),
        shares=(Share("sample", reading.seen, gathered.tally.answers),),
    )


@dataclass(frozen=True, slots=True)
class _Eval:
    """What a log says of its samples together. `names` are what the run calls its model and its prompt."""

    log: Log
    model: str
    scorers: tuple[str, ...]
    names: tuple[str, str]
    task: str


@dataclass(slots=True)
class _Reading:
    """Goes through the logs once, sample by sample, and keeps what the run is to say of them."""

    source: Path
    options: ImportOptions
    notes: Notes = field(default_factory=Notes)
    models: dict[str, ManifestModel] = field(default_factory=dict)
    prompts: dict[str, ManifestPrompt] = field(default_factory=dict)
    candidates: set[tuple[str, str, str]] = field(default_factory=set)
    files: list[Path] = field(default_factory=list)
    began: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    limits: Counter[str] = field(default_factory=Counter)
    scorers: set[str] = field(default_factory=set)
    tool: str = TOOL
    tasks: tuple[str, ...] = ()
    epochs: int = 1
    seen: int = 0
    graded: bool = False

    def found(self) -> Iterator[Found]:
        """Every sample that can be used, as a case and an answer."""
        paths = [self.source] if self.source.is_file() else files_in(self.source, _ENDINGS)
        self.tasks = tuple(dict.fromkeys(_task_of(log.header) for log in self._logs(paths, Notes())))
        for log in self._logs(paths, self.notes):
            self.files.append(log.path)
            yield from self._samples(self._eval(log))

    def name(self) -> str:
        """What to call the suite: by the task, where there is one."""
        return self.tasks[0] if len(self.tasks) == 1 else self.source.resolve().stem

    def _logs(self, paths: Sequence[Path], notes: Notes) -> Iterator[Log]:
        for path in paths:
            try:
                yield Log(path)
            except ConfigError as error:
                if path == self.source:
                    raise
                if path.suffix == ".eval" or not isinstance(error, NoLogError):  # beside logs lies JSON of other kinds
                    notes.error("log", error, Location(path))

    def _eval(self, log: Log) -> _Eval:
        told, where = mapping(log.header.get("eval")), Location(log.path)
        stats = mapping(log.header.get("stats"))
        self.began.append(moment(told.get("created")) or moment(stats.get("started_at")))
        self.ended.append(moment(stats.get("completed_at")))
        self.epochs = max(self.epochs, min(MAX_TRIALS, count(mapping(told.get("config")).get("epochs")) or 1))
        self.tool = self.tool if self.tool != TOOL else _tool(told)
        status = text(log.header.get("status"))
        if status not in {"", "success"}:
            self.notes.once(where, "log", f"its status is {status!r}: what was not finished is not in it")
        return _Eval(
            log=log,
            model=text(told.get("model")) or "unnamed",
            scorers=_scorers(log.header),
            names=self._candidate(log.header, where),
            task=_task_of(log.header) if len(self.tasks) > 1 else "",
        )

    def _candidate(self, header: Mapping[str, Json], where: Location) -> tuple[str, str]:
        """Name a log's model and prompt: another log of the same model is another candidate."""
        model, prompt = _model(header), _prompt(header, self.options.prompt)
        prompt_name = free_name(prompt.name, self.prompts, prompt.fingerprint)
        self.prompts.setdefault(prompt_name, replace(prompt, name=prompt_name))
        name = free_name(model.name, self.models, model.fingerprint)
        while (name, prompt_name, _task_of(header)) in self.candidates:
            name = free_name(model.name, self.models)
        self.candidates.add((name, prompt_name, _task_of(header)))
        if name != model.name:
            self.notes.once(where, "log", f"one more log of {model.name}: its answers are those of {name!r}")
        self.models.setdefault(name, replace(model, name=name))
        return name, prompt_name

    def _samples(self, told: _Eval) -> Iterator[Found]:
        for where, sample in told.log.samples():
            if self.options.limit is not None and self.seen >= self.options.limit:
                return
            self.seen += 1
            try:
                yield self._found(sample, told, where)
            except ConfigError as error:
                self.notes.error("sample", error, where)

    def _found(self, sample: Json, told: _Eval, where: Location) -> Found:
        if isinstance(sample, ConfigError):
            raise sample
        if not isinstance(sample, dict):
            raise ConfigError("is not a sample: it must be a mapping")
        case = case_of(sample, told.task, self.options.tags)
        grades = grades_of(sample, told.scorers)
        decides = deciding(grades, self.options.scorer)
        answer = answer_of(sample, told.model, grades, decides, told.names)
        if answer.error is None:
            self._tell_grades(grades, decides, where)
        if limit := mapping(sample.get("limit")):
            self.limits[one_line(text(limit.get("type")) or "some")] += 1
        return Found(case, answer)

    def _tell_grades(self, grades: Sequence[Grade], decides: Grade | None, where: Location) -> None:
        for grade in grades:
            self.scorers |= {grade.name, grade.name.partition(".")[0]}
            if grade.value is None and grade.told is not None:
                self.notes.add(
                    where, "score", f"{grade.name} says {text(grade.told)[:40]!r}, which is no grade from 0 to 1"
                )
        if decides is not None:
            self.graded = self.graded or decides.graded
            several, source = len(grades) > 1, Location(self.source)
            tell_deciding(self.notes, source, "scorer", decides.name, several=several, graded=decides.graded)

    def tell_limits(self, where: Location) -> None:
        """Say how many samples met with a limit."""
        for kind, samples in self.limits.items():
            message = f"samples that the {kind} limit ended, and that were judged as they stood: {samples:,}"
            self.notes.add(where, "sample", message, lost=False)


def _task_of(header: Mapping[str, Json]) -> str:
    told = mapping(header.get("eval"))
    return one_line(text(told.get("task_display_name") or told.get("task"))) or "task"


def _tool(told: Mapping[str, Json]) -> str:
    version = text(mapping(told.get("packages")).get(TOOL))
    return f"{TOOL} {version[:60]}" if version else TOOL


def _scorers(header: Mapping[str, Json]) -> tuple[str, ...]:
    """The scorers' names in the order of the log."""
    listed = items(mapping(header.get("eval")).get("scorers")) or items(mapping(header.get("results")).get("scores"))
    return tuple(dict.fromkeys(text(one.get("name")) for one in map(mapping, listed)))


def _model(header: Mapping[str, Json]) -> ManifestModel:
    told = mapping(header.get("eval"))
    name = one_line(text(told.get("model"))) or "unnamed"
    provider, slash, model = name.partition("/")
    given = {**mapping(mapping(header.get("plan")).get("config")), **mapping(told.get("model_generate_config"))}
    params = {key: value for key, value in given.items() if value is not None and key not in _UNSENT}
    address = text(told.get("model_base_url"))
    base_url = address if address and url_problem(address) is None else None  # it may hold a password
    roles = mapping(told.get("model_roles"))
    return ManifestModel(
        name=name,
        provider=provider if slash else TOOL,
        fingerprint=fingerprint([TOOL, name, base_url, sorted(params.items()), mapping(told.get("model_args"))]),
        model=model or None,
        base_url=base_url,
        params=params,
        concurrency=0,
        notes=tuple(f"{one_line(role)}: {_role_model(one)}" for role, one in roles.items()),
    )


def _role_model(told: Json) -> str:
    """The model that has a role beside the one that is evaluated, such as that of a grader."""
    return one_line(text(told.get("model") if isinstance(told, dict) else told))


def _prompt(header: Mapping[str, Json], name: str | None) -> ManifestPrompt:
    steps = [mapping(step) for step in items(mapping(header.get("plan")).get("steps"))]
    asked = [[step.get("solver"), step.get("params")] for step in steps]
    solver = one_line(text(mapping(header.get("eval")).get("solver")))
    systems = [mapping(step.get("params")).get("template") for step in steps if step.get("solver") == "system_message"]
    template = tuple(("system", told.strip()) for told in systems if isinstance(told, str))
    return ManifestPrompt(
        name or solver or "default",
        fingerprint([TOOL, asked]),
        template=(*template, ("user", "{{ input }}")) if template else (),
    )
