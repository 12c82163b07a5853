"""Another tool's results as a run folder like any other, whole or not at all."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import evalkit
from evalkit.errors import ConfigError
from evalkit.files import WriteError
from evalkit.imports.draft import DraftAnswer, DraftRun
from evalkit.runner.folder import LATEST, new_run_id, point_latest
from evalkit.runner.journal import Journal, JournalError
from evalkit.runner.manifest import (
    MANIFEST,
    Imported,
    Manifest,
    ManifestSuite,
    Selection,
    write_cases,
    write_manifest,
)
from evalkit.runner.plan import call_id, case_fingerprint
from evalkit.types import MISSING, CallScore, Case, Record

_FINGERPRINT: Final = 16
_BLOCK: Final = 1 << 20
_MOST_CALLS: Final = 100_000_000
"""Cells of the grid of models, prompts, trials and cases: a report takes 24 bytes for each, be it empty or not."""


def store(draft: DraftRun, results: Path) -> Path:
    """Write a run folder: manifest.json, cases.jsonl, records.jsonl and scores.jsonl.

    Args:
        draft: the run. Its answers are gone through once, and never held in memory together.
        results: the folder that holds the suites' folders.

    Returns:
        The run's folder, to which `latest` then leads unless a newer run is there. After an error nothing of it is.

    Raises:
        ConfigError: the draft is no run: no model, a name given twice, an answer to nothing that was asked, two answers
            to one call; or its source cannot be read any more.
        WriteError: it cannot be written.
    """
    _check(draft)
    home = results / draft.suite
    run_id = _free_id(home, draft.created_at)
    part = home / f".{run_id}.part"
    made = [folder for folder in (home, *home.parents) if not folder.exists()]
    try:
        part.mkdir(parents=True)
        _write(part, draft, run_id)
        folder = part.rename(home / run_id)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        _remove_empty(made)
        if isinstance(error, (OSError, JournalError)):
            raise _unwritable(home / run_id, error) from None
        raise
    _point_latest(folder)
    return folder


def _point_latest(folder: Path) -> None:
    """Let `latest` name this run, unless a newer one is there: results of the past do not become the latest."""
    others = (path.parent.name for path in folder.parent.glob(f"*/{MANIFEST}") if path.parent.name != LATEST)
    if all(_moment(name) <= _moment(folder.name) for name in others):
        point_latest(folder)


def _moment(run_id: str) -> str:
    """When a run began, without the random digits behind it."""
    return run_id.rpartition("-")[0]


def _unwritable(folder: Path, error: OSError | JournalError) -> WriteError:
    why = error.message if isinstance(error, JournalError) else f"cannot write {folder}: {error.strerror or error}"
    return WriteError(why, remedy="make room, or choose another folder with -o; nothing was left behind")


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, innermost first, that were made for a run that did not come to be."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _check(draft: DraftRun) -> None:
    for kind, names in (
        ("model", [model.name for model in draft.models]),
        ("prompt", [prompt.name for prompt in draft.prompts]),
    ):
        if not names:
            raise ConfigError(
                f"{draft.source} names no {kind} that answered", remedy="import a file that holds results"
            )
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigError(
                f"{draft.source} has two {kind}s of the name {twice!r}", remedy="rename one of them there"
            )
    if not draft.cases:
        raise ConfigError(f"{draft.source} holds no results", remedy="import a file that holds some")


def _free_id(home: Path, created_at: str) -> str:
    """An id by the moment at which the run was made, which sorts it among the suite's other runs."""
    began = dt.datetime.fromisoformat(created_at).astimezone(dt.UTC)
    while True:
        run_id = new_run_id(began)
        if not (home / run_id).exists():
            return run_id


def _write(folder: Path, draft: DraftRun, run_id: str) -> None:
    contents = _contents(draft)
    write_cases(folder, draft.cases)
    manifest = _manifest(draft, run_id, _suite_fingerprint(draft))
    session = {
        "started_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "evalkit": evalkit.__version__,
        "suite": manifest.suite.fingerprint,
        "models": {model.name: model.fingerprint for model in draft.models},
        "prompts": {prompt.name: prompt.fingerprint for prompt in draft.prompts},
    }
    with Journal(folder, session) as journal:
        calls = _Calls(draft, contents)
        for answer in draft.answers:
            name = calls.name(answer)
            journal.add_record(_record(name, answer))
            if answer.error is None and answer.passed is not None:
                journal.add_score(_score(name, answer, passed=answer.passed))
    write_manifest(folder, manifest)  # last: without it, what a killed import leaves is no run


def _contents(draft: DraftRun) -> dict[str, tuple[int, str]]:
    """The place of each case and what it asks, by its id."""
    contents = {case.id: (place, case_fingerprint(case)) for place, case in enumerate(draft.cases)}
    if len(contents) < len(draft.cases):
        raise ConfigError(f"{draft.source} has two cases of one id", remedy="give each an id of its own")
    return contents


class _Calls:
    """Names the calls of a run, each at most once."""

    def __init__(self, draft: DraftRun, contents: Mapping[str, tuple[int, str]]) -> None:
        self._source = draft.source
        self._contents = contents
        self._trials = draft.trials
        self._models = {model.name: (place, model) for place, model in enumerate(draft.models)}
        self._prompts = {prompt.name: (place, prompt) for place, prompt in enumerate(draft.prompts)}
        cells = len(self._models) * len(self._prompts) * draft.trials * len(contents)
        if cells > _MOST_CALLS:
            raise ConfigError(
                f"{draft.source} has {cells:,} combinations of model, prompt, trial and case",
                remedy="import its parts one by one, or its first rows with --limit",
            )
        self._answered = bytearray(cells)

    def name(self, answer: DraftAnswer) -> str:
        """The id of the call that this is the answer to."""
        try:
            at_model, model = self._models[answer.model]
            at_prompt, prompt = self._prompts[answer.prompt]
            at_case, content = self._contents[answer.case_id]
        except KeyError as error:
            raise ConfigError(f"{self._source} has an answer of an unknown model, prompt or case: {error}") from None
        if not 1 <= answer.trial <= self._trials:
            raise ConfigError(f"{self._source} has an answer in trial {answer.trial} of {self._trials}")
        row = (at_model * len(self._prompts) + at_prompt) * self._trials + answer.trial - 1
        place = row * len(self._contents) + at_case
        if self._answered[place]:
            raise ConfigError(
                f"{self._source} has two answers of {answer.model} to the case {answer.case_id!r}, trial {answer.trial}"
            )
        self._answered[place] = 1
        return call_id(model, prompt, content, answer.trial)


def _record(name: str, answer: DraftAnswer) -> Record:
    return Record(
        call_id=name,
        model=answer.model,
        prompt=answer.prompt,
        case_id=answer.case_id,
        trial=answer.trial,
        output=None if answer.error else answer.output or "",
        tool_calls=answer.tool_calls,
        finish_reason=answer.finish_reason,
        usage=answer.usage,
        ttft_ms=answer.ttft_ms,
        latency_ms=answer.latency_ms,
        served_model=answer.served_model,
        cost_usd=answer.cost_usd,
        error=answer.error,
        started_at=answer.started_at,
    )


def _score(name: str, answer: DraftAnswer, *, passed: bool) -> CallScore:
    value = float(passed) if answer.value is None else answer.value
    return CallScore(name, passed, value, answer.verdicts)


def _manifest(draft: DraftRun, run_id: str, fingerprint: str) -> Manifest:
    return Manifest(
        run_id=run_id,
        created_at=draft.created_at,
        # A run that never finished could go on; this one cannot, however much of it there is.
        finished_at=draft.finished_at or draft.created_at,
        evalkit=evalkit.__version__,
        suite=ManifestSuite(draft.suite, draft.source, draft.description, fingerprint),
        models=draft.models,
        prompts=draft.prompts,
        selection=Selection(len(draft.cases)),
        trials=draft.trials,
        threshold=draft.threshold,
        imported=Imported(draft.tool, Path(draft.source).resolve().name, _digest(draft)),
    )


def _suite_fingerprint(draft: DraftRun) -> str:
    """The same for two imports of the same cases, whoever answered them."""
    digest = hashlib.sha256(draft.suite.encode())
    for case in draft.cases:
        digest.update(case_fingerprint(case).encode())
        digest.update(_expected(case).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:_FINGERPRINT]


def _expected(case: Case) -> str:
    return "" if case.expected is MISSING else json.dumps(case.expected, ensure_ascii=False, default=str)


def _digest(draft: DraftRun) -> str:
    files: Sequence[Path] = draft.files or (Path(draft.source),)
    try:
        digests = [(_sha256(file), file.name) for file in files]
    except OSError as error:
        raise ConfigError(f"{draft.source} cannot be read any more: {error.strerror or error}") from None
    if len(digests) == 1:
        return digests[0][0]
    return hashlib.sha256("".join(f"{sha}  {name}\n" for sha, name in digests).encode()).hexdigest()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
