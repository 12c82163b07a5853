"""What a new project starts with: a suite, its prompt, candidates, and a check for pull requests.

The texts are templates beside this module, one folder for each kind of task. All of it is put together and read again
before a file is written, and nothing that is there already is changed but by adding lines to it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from evalkit.errors import ConfigError, one_or_many
from evalkit.files import WriteError, write_atomically
from evalkit.models.config import FILE, load_models
from evalkit.models.table import provider_table
from evalkit.structure import error_parts
from evalkit.suite.loader import check_suite
from evalkit.types import Model
from evalkit.yaml12 import load_file, read_text
from evalkit.yaml12.writing import flow

EMBEDDED: Final = "smollm2-135m"
"""The candidate that needs neither a key nor a server."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
_SUITES: Final = PurePosixPath("evals")
_PROMPTS: Final = PurePosixPath("prompts")
_IGNORED: Final = ("results/*", "!results/baselines/", ".env")
_PACKAGE: Final = "evalkit-cli"


class Task(NamedTuple):
    """A kind of task: what it is, and what its suite is called unless somebody says otherwise."""

    words: str
    name: str


TASKS: Final[Mapping[str, Task]] = {
    "classify": Task("one of several labels for a text, such as the queue for a message", "support-triage"),
    "extract": Task("fields out of a text, as JSON", "booking-fields"),
    "answer": Task("the answer to a question, from a text", "help-answers"),
    "chat": Task("replies over several turns, within rules", "support-chat"),
}


@dataclass(frozen=True, slots=True)
class Start:
    """What a project is to start with.

    Attributes:
        task: a key of TASKS.
        name: of the suite.
        models: candidates, as PROVIDER:MODEL, as the name of a row that there is, or EMBEDDED.
        pass_rate: what the recommended candidate must reach, 0..1.
        workflow: whether to write a workflow for GitHub.
        unready: those of `models` that are configured, but not yet asked, as something is missing to use them.
    """

    task: str
    name: str
    models: tuple[str, ...] = (EMBEDDED,)
    pass_rate: float = 0.9
    workflow: bool = True
    unready: frozenset[str] = frozenset()


class Starter(NamedTuple):
    """What to write, by its path as seen from the project's folder: new files, and files with all they will hold."""

    new: Mapping[PurePosixPath, str]
    longer: Mapping[PurePosixPath, str]
    suite: PurePosixPath
    models: PurePosixPath


def check_name(name: str) -> None:
    """See that a suite can be called so.

    Raises:
        ConfigError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name a suite", remedy="use letters, digits, - and _ only, such as support-triage"
        )


def model_rows(names: Sequence[str], configured: Mapping[str, Model] | None = None) -> dict[str, str]:
    """Turn the candidates that somebody names into rows of a models file as they are written, by the rows' names.

    A row that is configured already is left as it is: its text is empty.

    Raises:
        ConfigError: a name is neither configured, nor PROVIDER:MODEL of a provider that needs no more than that.
    """
    return {name: flow(row) if row else "" for name, row in candidate_rows(names, configured).items()}


def candidate_rows(names: Sequence[str], configured: Mapping[str, Model] | None = None) -> dict[str, dict[str, str]]:
    """Turn the candidates that somebody names into rows of a models file, by the rows' names.

    A row that is configured already is empty. Rows are called after their models; where another provider's has that
    name, PROVIDER:MODEL.

    Raises:
        ConfigError: a name is neither configured, nor PROVIDER:MODEL of a provider that needs no more than that.
    """
    there = configured or {}
    problems: list[ConfigError] = []
    rows: dict[str, dict[str, str]] = {}
    for name in names:
        provider, _, model = name.partition(":")
        row, content = model.rpartition("/")[2], {"provider": provider, "model": model}
        if name in there:
            rows[name] = {}
        elif name == EMBEDDED:
            rows[EMBEDDED] = {"provider": "local", "weights": EMBEDDED}
        elif problem := _problem(name, provider, model):
            problems.append(problem)
        elif row in there and (there[row].provider, there[row].model) == (provider, model):
            rows[row] = {}
        else:
            taken = row in there or rows.get(row, content) != content
            rows[name if taken else row] = content
    if problems:
        raise one_or_many(problems)
    return rows


def _problem(name: str, provider: str, model: str) -> ConfigError | None:
    table = provider_table()
    known = sorted(key for key, row in table.items() if row.requires == ("model",))
    if not model:
        remedy = f"write PROVIDER:MODEL, such as openai:gpt-4o-mini, or {EMBEDDED}"
        return ConfigError(f"no model {name!r} is configured", remedy=remedy)
    if provider not in known:
        return ConfigError(
            f"no row can be made for {name!r}", remedy=f"its provider must be one of: {', '.join(known)}"
        )
    return None


def keys_of(names: Sequence[str]) -> tuple[str, ...]:
    """List the environment variables that hold the keys of candidates named as PROVIDER:MODEL."""
    table = provider_table()
    rows = (table.get(name.partition(":")[0]) for name in names)
    return tuple(dict.fromkeys(row.api_key_env for row in rows if row and row.api_key_env))


def compose(start: Start, folder: Path) -> Starter:
    """Put everything together for a folder, and see that it can be used; nothing is written there.

    Raises:
        ConfigError: a file is there already; a candidate cannot be configured; what is there cannot be used.
    """
    check_name(start.name)
    stem = start.name.replace("-", "_")
    suite, prompt = _SUITES / f"{stem}.yaml", _PROMPTS / f"{stem}.yaml"
    models = next((place for place in (_SUITES / FILE, PurePosixPath(FILE)) if (folder / place).is_file()), None)
    function = _SUITES / "baselines" / f"{stem}.py"
    baseline = f"{start.name}-baseline"
    existing = load_models(folder / models) if models else {}
    rows = model_rows(start.models, existing)
    home = models or _SUITES / FILE
    if baseline not in existing:
        rows[baseline] = f"{{provider: python, function: {function.relative_to(home.parent)}:candidate}}"
    added = {name: row for name, row in rows.items() if row}
    asked = [name for name in (*rows, baseline) if name not in start.unready]
    texts = _filled(
        start,
        {
            "SUITE_FILE": str(suite),
            "PROMPT_PATH": f"../{prompt}",
            "MODELS": flow(list(dict.fromkeys(asked))).strip("[]"),
            "SUITE_DIR": str(_SUITES),
            "PROMPT_DIR": str(_PROMPTS),
            **_steps(start),
        },
    )
    new = {suite: texts["suite.yaml"], prompt: texts["prompt.yaml"], function: texts["baseline.py"]}
    if start.workflow:
        new[PurePosixPath(".github/workflows") / f"evals-{start.name}.yml"] = texts["gate.yml"]
    longer: dict[PurePosixPath, str] = {}
    if models is None:
        new[home] = _HEAD + _rows(added, 2)
    elif added:
        longer[home] = _longer(folder / home, added)
    if lines := _ignore(folder / ".gitignore"):
        longer[PurePosixPath(".gitignore")] = lines
    _refuse_what_is_there(new, folder)
    starter = Starter(new, longer, suite, home)
    _tried(starter)
    return starter


_HEAD: Final = """\
# The candidates that a suite may name. Look at them with: evalkit models
# Keys are never written here: each provider reads its own environment variable (OPENAI_API_KEY, GROQ_API_KEY, ...).
# More rows, as they are written for other kinds of candidates:
#   gpt-4o-mini: {provider: openai, model: gpt-4o-mini}
#   my-server: {provider: vllm, model: Qwen/Qwen2.5-7B-Instruct, base_url: "http://127.0.0.1:8000/v1"}
models:
"""


def _filled(start: Start, values: Mapping[str, str]) -> dict[str, str]:
    folder = resources.files("evalkit.suite").joinpath("starters")
    values = {
        "NAME": start.name,
        "NAME_AS_TEXT": flow(start.name),
        "PASS_RATE": f"{start.pass_rate:g}",
        "PACKAGE": _PACKAGE,
        **values,
    }
    texts: dict[str, str] = {}
    for place in ("suite.yaml", "prompt.yaml", "baseline.py", "gate.yml"):
        home = folder if place == "gate.yml" else folder.joinpath(start.task)
        text = home.joinpath(f"{place}.tmpl").read_text(encoding="utf-8")
        texts[place] = re.sub("@([A-Z_]+)@", lambda match: values[match[1]], text)
    return texts


def _steps(start: Start) -> dict[str, str]:
    """What the workflow does for the embedded default and for models with keys."""
    local = EMBEDDED in start.models and EMBEDDED not in start.unready
    keys = keys_of(start.models)
    lines = [f"          {key}: ${{{{ secrets.{key} }}}}\n" for key in keys]
    return {
        "PACKAGE": f"{_PACKAGE}[local]" if local else _PACKAGE,
        "PULL_STEP": f"      - run: evalkit models pull {EMBEDDED}\n" if local else "",
        "KEYS": "".join(["        env:\n", *lines]) if keys else "",
    }


def _rows(rows: Mapping[str, str], indent: int) -> str:
    return "".join(f"{' ' * indent}{flow(name)}: {row}\n" for name, row in rows.items())


def _longer(path: Path, rows: Mapping[str, str]) -> str:
    """Return a models file's text with more rows at its end, in the column of those it has."""
    document = load_file(path)
    first = document.where(("models", next(iter(document.data["models"]))), key=True)
    if first.line == document.where(("models",), key=True).line:
        raise ConfigError("rows cannot be added", where=first, remedy="write each model on a line of its own")
    return _with_lines(read_text(path), _rows(rows, (first.column or 1) - 1))


def _with_lines(text: str, more: str) -> str:
    """Add lines to the end of a text, ended as its own are."""
    newline = "\r\n" if "\r\n" in text else "\n"
    before = text.rstrip()
    return (before + newline if before else "") + more.replace("\n", newline)


def _ignore(path: Path) -> str:
    """Return a .gitignore's text with the lines that it lacks; empty where it lacks none."""
    text = read_text(path) if path.is_file() else ""
    lacking = [line for line in _IGNORED if line not in text.splitlines()]
    return _with_lines(text, "".join(f"{line}\n" for line in lacking)) if lacking else ""


def _refuse_what_is_there(new: Mapping[PurePosixPath, str], folder: Path) -> None:
    there = [str(folder / path) for path in new if (folder / path).exists()]
    if there:
        raise ConfigError(
            f"there already: {', '.join(there)}; nothing was written",
            remedy="choose another name with --name, or move what is there",
        )
    parents = dict.fromkeys(folder / parent for path in new for parent in reversed(path.parents))
    if file := next((parent for parent in parents if parent.exists() and not parent.is_dir()), None):
        raise ConfigError(
            f"{file} is a file, where a folder is needed; nothing was written", remedy="move it, or name another folder"
        )


def _tried(starter: Starter) -> None:
    """Write everything to a folder that vanishes, and load it there."""
    with tempfile.TemporaryDirectory(prefix="evalkit-") as name:
        folder = Path(name)
        for path, text in (*starter.new.items(), *starter.longer.items()):
            _write_new(folder / path, text)
        try:
            load_models(folder / starter.models) if starter.models in {*starter.new, *starter.longer} else None
            errors = check_suite(folder / starter.suite)[1]
        except ConfigError as error:
            errors = error_parts(error)
    if errors:
        raise one_or_many([ConfigError(error.message, remedy=error.remedy) for error in errors])


def write_starter(starter: Starter, folder: Path) -> Iterator[tuple[str, PurePosixPath]]:
    """Write it all; yields what was done to each file: "wrote", or "added to".

    Raises:
        WriteError: a file cannot be written, or is there all of a sudden.
    """
    for path, text in starter.new.items():
        _write_new(folder / path, text)
        yield "wrote", path
    for path, text in starter.longer.items():
        there = (folder / path).exists()
        write_atomically(folder / path, text)
        yield "added to" if there else "wrote", path


def _write_new(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}", remedy="make the folder writable") from None
