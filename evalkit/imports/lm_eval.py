"""What lm-eval (the LM Evaluation Harness) logs with `--log_samples` as a run: one samples_*.jsonl or a folder of them.

A file holds one task of one model, whose name is that of its folder, or what results_*.json beside it says. Of one
task run several times the last counts. There are no times and no tokens in these files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from evalkit.errors import ConfigError, Location
from evalkit.imports.draft import DraftRun, Share
from evalkit.imports.folders import files_in
from evalkit.imports.gathering import Found, Gathered, Notes, complete_notes, free_name
from evalkit.imports.grades import PASS_AT, tell_deciding
from evalkit.imports.jsonfiles import read_document
from evalkit.imports.lm_eval_samples import Grade, Sample, answer_of, case_of, deciding, samples_in
from evalkit.imports.options import ImportOptions
from evalkit.imports.values import count, first_moment, mapping, moment, one_line, text
from evalkit.imports.write import suite_name
from evalkit.runner.manifest import ManifestModel, ManifestPrompt
from evalkit.runner.plan import fingerprint
from evalkit.scorers.options import unknown_name
from evalkit.types import Json

TOOL: Final = "lm-eval"
_PREFIX: Final = "samples_"
_NAMED: Final = re.compile(r"samples_(?P<task>.+?)_(?P<date>\d{4}-\d\d-\d\dT[\d.:-]+)$")


def read(source: Path, options: ImportOptions) -> DraftRun:
    """Read one file of samples, or all in a folder.

    Raises:
        ConfigError: nothing of it can be read.
    """
    where = Location(source)
    paths = [source] if source.is_file() else files_in(source, (".jsonl",), _PREFIX)
    reading = _Reading(where, options)
    logs = reading.logs(paths)
    gathered = Gathered(reading.found(logs))
    if not gathered.tally.answers:
        told = reading.notes.all(where)
        why = f": {told[0].where}: {told[0].message}" if told else ""
        raise ConfigError(
            f"holds no sample of lm-eval that can be read{why}",
            where=where,
            remedy="name a samples_*.jsonl that lm_eval --log_samples wrote, or its folder",
        )
    if options.scorer is not None and options.scorer not in reading.metrics:
        raise unknown_name("metric", options.scorer, sorted(reading.metrics))
    tasks = list(dict.fromkeys(log.task for log in logs))
    return DraftRun(
        suite=suite_name(options.name or (tasks[0] if len(tasks) == 1 else TOOL)),
        tool=reading.tool,
        source=str(source),
        created_at=min(filter(None, (log.began for log in logs)), default="") or first_moment(source),
        models=tuple(reading.models[name] for name in gathered.models),
        prompts=tuple(reading.prompts[name] for name in gathered.prompts),
        cases=gathered.cases,
        answers=gathered.answers,
        files=tuple(log.path for log in logs),
        threshold=PASS_AT if reading.graded else None,
        notes=complete_notes(reading.notes, gathered, where),
        shares=(Share("sample", reading.seen, gathered.tally.answers),),
    )


class _Log(NamedTuple):
    """A file of samples, with what is known of how it came about."""

    path: Path
    task: str
    date: str
    results: Mapping[str, Json]

    @property
    def began(self) -> str:
        """When it was written, or begun where that is known."""
        day, _, time = self.date.partition("T")
        hours = ":".join(time.split("-", 2))
        return moment(self.results.get("date")) or moment(f"{day}T{hours}" if time else "")

    @property
    def model(self) -> str:
        """The model's name; in that of a folder `__` stands for `/`."""
        told = self.results.get("model_name")
        return one_line(told if isinstance(told, str) and told else self.path.resolve().parent.name.replace("__", "/"))

    @property
    def errors(self) -> frozenset[str]:
        """The metrics of which less is better."""
        told = mapping(mapping(self.results.get("higher_is_better")).get(self.task))
        return frozenset(name for name, better in told.items() if better is False)

    @property
    def shots(self) -> int | None:
        """How many examples stood before each question."""
        return count(mapping(self.results.get("n-shot")).get(self.task))


@dataclass(slots=True)
class _Reading:
    """Goes through the files once, and keeps what the run is to say of them."""

    where: Location
    options: ImportOptions
    notes: Notes = field(default_factory=Notes)
    models: dict[str, ManifestModel] = field(default_factory=dict)
    prompts: dict[str, ManifestPrompt] = field(default_factory=dict)
    metrics: set[str] = field(default_factory=set)
    tool: str = TOOL
    seen: int = 0
    graded: bool = False

    def logs(self, paths: Iterable[Path]) -> list[_Log]:
        """The files that count, each with the results beside it."""
        newest: dict[tuple[Path, str], _Log] = {}
        for path in paths:
            log = _log(path, self.notes)
            key = (path.parent, log.task)
            earlier = newest.get(key)
            if earlier is not None:
                old = min(earlier, log, key=lambda one: one.date)
                self.notes.once(Location(old.path), "file", "the task was run again later: left out")
            newest[key] = log if earlier is None else max(earlier, log, key=lambda one: one.date)
        return list(newest.values())

    def found(self, logs: list[_Log]) -> Iterator[Found]:
        """Every sample that can be used, as a case and an answer."""
        several = len({log.task for log in logs}) > 1
        shots = {folder: {log.shots for log in logs if log.path.parent == folder} for folder in _folders(logs)}
        homes: dict[Path, tuple[str, str]] = {}
        for log in logs:
            folder = log.path.parent
            if folder not in homes:
                homes[folder] = self._candidate(log, shots[folder])
            for sample in self._samples(log):
                answered = self._found(sample, log.task if several else "", homes[folder])
                if answered is not None:
                    yield answered

    def _samples(self, log: _Log) -> Iterator[Sample]:
        for sample in samples_in(log.path, self.notes):
            if self.options.limit is not None and self.seen >= self.options.limit:
                return
            self.seen += 1
            yield replace(sample, grades=tuple(grade for grade in sample.grades if self._is_grade(grade, log)))

    def _is_grade(self, grade: Grade, log: _Log) -> bool:
        """Whether more of a metric is better; of an error rate it is not."""
        if grade.name.partition(",")[0] not in log.errors:
            return True
        self.notes.once(Location(log.path), "metric", f"{grade.name} is better when lower, so it is no grade: left out")
        return False

    def _found(self, sample: Sample, task: str, names: tuple[str, str]) -> Found | None:
        decides = deciding(sample.grades, self.options.scorer)
        self.metrics |= {name for grade in sample.grades for name in (grade.name, grade.name.partition(",")[0])}
        try:
            case = case_of(sample, task, self.options.tags)
        except ConfigError as error:
            self.notes.error("sample", error, sample.where)
            return None
        if decides is None and sample.grades:
            told = ", ".join(grade.name for grade in sample.grades)[:200]
            self.notes.add(sample.where, "metric", f"none of its metrics is a grade from 0 to 1: {told}")
        if decides is not None:
            graded = decides.value not in {0.0, 1.0}
            self.graded = self.graded or graded
            several = len(sample.grades) > 1
            tell_deciding(self.notes, self.where, "metric", decides.name, several=several, graded=graded)
        return Found(case, answer_of(sample, decides, names))

    def _candidate(self, log: _Log, shots: set[int | None]) -> tuple[str, str]:
        """Name the model and the prompt of a folder's files: that is the number of examples, where it is one."""
        known = next(iter(shots)) if len(shots) == 1 else None
        told = self.options.prompt or ("default" if known is None else f"{known}-shot")
        about = [log.results.get("system_instruction_sha"), log.results.get("chat_template_sha")]
        prompt = ManifestPrompt(told, fingerprint([TOOL, told, about]))
        prompt = replace(prompt, name=free_name(told, self.prompts, prompt.fingerprint))
        self.prompts.setdefault(prompt.name, prompt)
        model = _model(log, next(iter(self.options.models), None))
        model = replace(model, name=free_name(model.name, self.models))
        self.models[model.name] = model
        version = log.results.get("lm_eval_version")
        self.tool = f"{TOOL} {version[:40]}" if isinstance(version, str) and self.tool == TOOL else self.tool
        return model.name, prompt.name


def _folders(logs: Iterable[_Log]) -> set[Path]:
    return {log.path.parent for log in logs}


def _log(path: Path, notes: Notes) -> _Log:
    named = _NAMED.fullmatch(path.stem)
    task = named["task"] if named else path.stem.removeprefix(_PREFIX)
    date = named["date"] if named else ""
    return _Log(path, one_line(task) or "task", date, _results(path, date, notes))


def _results(samples: Path, date: str, notes: Notes) -> Mapping[str, Json]:
    """What results_*.json of the same moment says; nothing where it is not there, or cannot be read."""
    beside = samples.parent / f"results_{date}.json"
    try:
        return mapping(read_document(beside)) if date and beside.is_file() else {}
    except ConfigError as error:
        message = f"{error.message}; the model is called as its folder"
        notes.once(error.where or Location(beside), "file", message)
        return {}


def _model(log: _Log, called: str | None) -> ManifestModel:
    config = mapping(log.results.get("config"))
    name = (called if not log.results else None) or log.model or "unnamed"
    backend = one_line(text(config.get("model"))) or TOOL
    params = mapping(config.get("gen_kwargs"))
    return ManifestModel(
        name=name,
        provider=backend,
        fingerprint=fingerprint([TOOL, name, backend, config.get("model_args"), sorted(params.items())]),
        model=name,
        params=params,
        concurrency=0,
    )
