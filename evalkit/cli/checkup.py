"""What `evalkit doctor` looks at, one finding each."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from rich.text import Text

from evalkit import __version__
from evalkit.cli.named import find_models
from evalkit.cli.screen import Console
from evalkit.errors import ConfigError, ConfigErrors, ExitCode
from evalkit.models.config import find_models_file, load_models
from evalkit.providers.build import Providers
from evalkit.providers.reach import Reached, reach
from evalkit.providers.weights import cache_dir
from evalkit.report.markup import one_line
from evalkit.suite import load_suite
from evalkit.types import Model

_PACKAGES: Final = ("aiohttp", "httpx", "jinja2", "jsonschema", "numpy", "pyyaml", "rich", "typer")
_EXTRAS: Final = {
    "xllamacpp": "local",
    "genai-prices": "prices",
    "duckdb": "sql",
    "langdetect": "text",
    "math-verify": "math",
    "uvicorn": "view",
}
_LITTLE_ROOM: Final = 1_000_000_000
_NO_ROOM: Final = 50_000_000
_MOST_SKEW_S: Final = 30.0
_NARROW: Final = 60


class State(StrEnum):
    """How it stands with something."""

    FINE = "ok"
    DOUBT = "note"
    WRONG = "problem"


class Finding(NamedTuple):
    """What was seen of something, and what to do about it."""

    state: State
    words: str
    remedy: str | None = None


def examine(suite: Path | None, models_file: Path | None, out: Path, *, online: bool) -> list[Finding]:
    """Look at everything."""
    return [*_versions(), *_terminal(), *_room(out), *_models(suite, models_file, online=online)]


def print_findings(findings: Sequence[Finding]) -> ExitCode:
    """Print what was found; the code says whether something is wrong."""
    console, styles = Console(), {State.FINE: "green", State.DOUBT: "yellow", State.WRONG: "red"}
    for one in findings:
        line = Text(f"{one.state:<8} ", styles[one.state]).append(one_line(one.words), "default")
        console.print(line, soft_wrap=True)
        if one.remedy:
            console.print(Text(f"{'':<8} -> {one_line(one.remedy)}"), soft_wrap=True)
    wrong = sum(one.state is State.WRONG for one in findings)
    console.print(
        Text(f"{wrong} problem{'s' * (wrong != 1)}" if wrong else "nothing stands in the way"), soft_wrap=True
    )
    return ExitCode.BAD_CONFIG if wrong else ExitCode.OK


def _versions() -> Iterator[Finding]:
    system = f"{platform.system()} {platform.machine()}"
    yield Finding(State.FINE, f"evalkit {__version__}, Python {platform.python_version()}, {system}")
    found = {name: _version(name) for name in (*_PACKAGES, *_EXTRAS)}
    there = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    yield Finding(State.FINE, f"packages: {there}")
    absent = [f"{_EXTRAS[name]} ({name})" for name in _EXTRAS if not found[name]]
    if absent:
        yield Finding(
            State.DOUBT,
            f"extras not installed: {', '.join(absent)}",
            "pip install 'evalkit-cli[EXTRA]', if you need one",
        )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _terminal() -> Iterator[Finding]:
    console = Console()
    if not console.is_terminal:
        yield Finding(State.FINE, "terminal: none (a pipe or a log): plain lines, no colour")
        return
    colour = "no colour" if console.no_color or console.is_dumb_terminal else "colour"
    signs = "Unicode" if console.encoding.lower().startswith("utf") else f"{console.encoding} only"
    words = f"terminal: {console.width} columns, {colour}, {signs}"
    if console.width < _NARROW:
        yield Finding(State.DOUBT, words, "a wider window shows more figures; all are in report.md")
    else:
        yield Finding(State.FINE, words)


def _room(out: Path) -> Iterator[Finding]:
    for what, folder in (("results", out), ("weights", cache_dir())):
        place = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
        try:
            free = shutil.disk_usage(place).free
        except OSError as error:
            yield Finding(State.WRONG, f"{what}: {folder} cannot be looked at: {error.strerror or error}")
            continue
        words = f"{what}: {folder}, {free / 1e9:,.1f} GB free"
        if not os.access(place, os.W_OK):
            yield Finding(State.WRONG, words, f"make {place} writable, or name another folder")
        elif free < _LITTLE_ROOM:
            yield Finding(State.WRONG if free < _NO_ROOM else State.DOUBT, words, "make room")
        else:
            yield Finding(State.FINE, words)


def _models(suite: Path | None, file: Path | None, *, online: bool) -> Iterator[Finding]:
    try:
        chosen = _chosen(suite, file)
    except ConfigError as error:
        if file is None and suite is None and "no models.yaml" in error.message:
            yield Finding(State.DOUBT, "models: no models.yaml here or above", "write a first suite with: evalkit init")
            return
        for one in error.errors if isinstance(error, ConfigErrors) else (error,):
            yield Finding(State.WRONG, str(one), one.remedy)
        return
    # Of all that happen to be configured some will never be used; of a suite's own each must be ready.
    lacking = State.WRONG if suite else State.DOUBT
    ready: list[Model] = []
    for model in chosen:
        problems = Providers([model]).check()
        for problem in problems:
            yield Finding(lacking, problem.message, problem.remedy)
        if not problems:
            ready.append(model)
            yield from _ready(model, online=online)
    asked = [model for model in ready if model.base_url and (model.self_hosted or online)]
    for seen in reach(asked):
        yield from _server(seen, lacking)


def _chosen(suite: Path | None, file: Path | None) -> list[Model]:
    """The models of a suite, with its judges, or all that are configured."""
    if suite is None:
        return list(load_models(file or find_models_file(Path())).values())
    loaded = load_suite(suite, allow_code=True)
    path = file or find_models_file(suite.parent)
    return list(find_models([*loaded.models, *loaded.judges], load_models(path), path, loaded))


def _ready(model: Model, *, online: bool) -> Iterator[Finding]:
    if model.base_url is None:
        held = {"local": "weights present", "python": "function found", "command": "program found"}
        yield Finding(State.FINE, f"model {model.name}: {held.get(model.protocol, 'ready')}")
    elif not model.self_hosted and not online:
        key = f"key in {model.api_key_env}" if model.key_required else "no key needed"
        yield Finding(State.FINE, f"model {model.name}: {key}; {model.base_url} not called (--online does)")


def _server(seen: Reached, lacking: State) -> Iterator[Finding]:
    if seen.problem is not None:
        yield Finding(lacking, f"model {seen.model}: {seen.problem}", "start the server, or mend `base_url` and key")
        return
    yield Finding(State.FINE, f"model {seen.model}: its server answers")
    if seen.clock_s is not None and abs(seen.clock_s) > _MOST_SKEW_S:
        way = "ahead of" if seen.clock_s > 0 else "behind"
        words = f"model {seen.model}: its server's clock is {abs(seen.clock_s):,.0f} s {way} this machine's"
        yield Finding(State.DOUBT, words, "set this machine's clock; pauses and certificates go by it")
