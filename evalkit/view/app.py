"""The web app: its addresses, and what is found there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from evalkit.errors import EvalkitError
from evalkit.view.confined import report_policy
from evalkit.view.pages import (
    MOST_DRAWN,
    MOST_RUNS,
    PROGRESS_HEADER,
    address,
    progress_text,
    run_choices,
    run_row,
    suite_address,
    suite_history,
)
from evalkit.view.progress import Watch
from evalkit.view.store import State, Store, StoredRun

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE: Final = Path(__file__).parent / "assets"
_REPORT: Final = Path(__file__).parents[1] / "report" / "html" / "assets"
"""Where the styles and scripts are that these pages share with report.html."""
_ASSETS: Final[Mapping[str, tuple[Path, str]]] = {
    "page.css": (_REPORT, "text/css"),
    "view.css": (_HERE, "text/css"),
    "dom.js": (_REPORT, "text/javascript"),
    "theme.js": (_REPORT, "text/javascript"),
    "view.js": (_HERE, "text/javascript"),
    "runs.js": (_HERE, "text/javascript"),
    "compare.js": (_HERE, "text/javascript"),
}
_FILES: Final[Mapping[str, str]] = {
    "report.html": "text/html",
    "report.md": "text/plain",
    "report.json": "application/json",
    "models.csv": "text/csv",
    "cases.csv": "text/csv",
    "scorers.csv": "text/csv",
    "labels.csv": "text/csv",
    "load.csv": "text/csv",
    "junit.xml": "text/plain",
}
"""The files of a run that are served, and as what."""
_LIVE: Final = {State.UNDER_WAY, State.CUT_SHORT}


class _Pages:
    """Answers requests. Plain functions, so that each is answered in a thread of its own."""

    def __init__(self, root: Path) -> None:
        self._store = Store(root)
        self._templates = _environment()
        self._watches: dict[Path, Watch] = {}

    def runs(self, _: Request) -> Response:
        found = self._store.runs()
        rows = [run_row(run) for run in found[:MOST_RUNS]]
        states = sorted({str(row.run.state) for row in rows})
        return self._page(
            "runs.html.j2", rows=rows, left_out=len(found) - len(rows), suites=self._store.suites(), states=states
        )

    def suite(self, request: Request) -> Response:
        name = request.path_params["suite"]
        found = self._store.runs(name)
        if not found:
            raise HTTPException(404)
        shown = found[:MOST_RUNS]
        rows = [run_row(run) for run in shown]
        left_out, undrawn = len(found) - len(shown), max(0, len(found) - MOST_DRAWN)
        drawn = suite_history(found[:MOST_DRAWN])
        return self._page("suite.html.j2", suite=name, rows=rows, left_out=left_out, history=drawn, undrawn=undrawn)

    def run(self, request: Request) -> Response:
        run = self._run(request)
        live = progress_text(run.state, self._watch(run).look(run.manifest)) if _is_live(run) and run.manifest else None
        files = [name for name in _FILES if self._store.file(run, name)]
        row = run_row(run, most=len(run.figures))
        return self._page(
            "run.html.j2",
            row=row,
            run=run,
            before=self._before(run),
            files=files,
            folder=shlex.quote(str(run.folder)),
            live=live,
            live_header=PROGRESS_HEADER,
        )

    def progress(self, request: Request) -> Response:
        run = self._run(request)
        if run.manifest is None:
            raise HTTPException(404)
        found = progress_text(run.state, self._watch(run).look(run.manifest))
        if not _is_live(run):
            self._watches.pop(run.folder, None)
        return Response(json.dumps(found), media_type="application/json")  # names may hold what UTF-8 cannot say

    def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        path = self._store.file(self._run(request), name) if name in _FILES else None
        if path is None:
            raise HTTPException(404)
        kind = _FILES[name]
        headers = {"content-security-policy": report_policy(path)} if kind == "text/html" else {}
        saved = {"filename": name} if kind == "text/csv" else {}
        return FileResponse(path, media_type=kind, headers=headers, **saved)

    def compare(self, request: Request) -> Response:
        from evalkit.view.comparing import compared

        found = self._store.runs()
        sides = [self._side(request, letter) for letter in "ab"]
        picks = [_number(request.query_params.get(f"{letter}_candidate", "")) for letter in "ab"]
        comparison = None
        fault = " ".join(
            f"There is no run {name} here."
            for letter, run in zip("ab", sides, strict=True)
            if run is None and (name := request.query_params.get(letter))
        )
        if sides[0] and sides[1]:
            try:
                comparison = compared(sides[0], picks[0], sides[1], picks[1])
            except EvalkitError as error:
                fault = f"{error}{f' ({error.remedy})' if error.remedy else ''}"
        chosen = [{"run": run, "pick": pick} for run, pick in zip(sides, picks, strict=True)]
        return self._page(
            "compare.html.j2", choices=run_choices(found), sides=chosen, comparison=comparison, fault=fault
        )

    def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise HTTPException(404)
        folder, kind = _ASSETS[name]
        return FileResponse(folder / name, media_type=kind)

    def no_icon(self, _: Request) -> Response:
        return Response(status_code=204)

    def absent(self, _: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        told = "" if status == 404 else f"{type(error).__name__}: {error}"
        return self._page("absent.html.j2", status=status, error=told)

    def _run(self, request: Request) -> StoredRun:
        run = self._store.find(request.path_params["suite"], request.path_params["run"])
        if run is None:
            raise HTTPException(404)
        return run

    def _before(self, run: StoredRun) -> StoredRun | None:
        """The run of the same suite that came before and can be read."""
        earlier = (one for one in self._store.runs(run.suite) if one.created_at < run.created_at)
        return next((one for one in earlier if one.state is not State.DAMAGED), None)

    def _side(self, request: Request, letter: str) -> StoredRun | None:
        suite, _, run = request.query_params.get(letter, "").partition("/")
        return self._store.find(suite, run)

    def _watch(self, run: StoredRun) -> Watch:
        return self._watches.setdefault(run.folder, Watch(run.folder))

    def _page(self, template: str, status: int = 200, **content: object) -> Response:
        text = self._templates.get_template(template).render(root=self._store.root, status=status, **content)
        return HTMLResponse(text.encode("utf-8", "backslashreplace"), status)


def make_app(root: Path) -> Starlette:
    """The app over a results folder. It guards nothing: see `guard`."""
    pages = _Pages(root)
    run = "/runs/{suite}/{run}"
    return Starlette(
        routes=[
            Route("/", pages.runs),
            Route("/suites/{suite}", pages.suite),
            Route(run, pages.run),
            Route(f"{run}/progress.json", pages.progress),
            Route(f"{run}/{{name}}", pages.file),
            Route("/compare", pages.compare),
            Route("/assets/{name}", pages.asset),
            Route("/favicon.ico", pages.no_icon),
        ],
        exception_handlers={HTTPException: pages.absent, Exception: pages.absent},
    )


def _is_live(run: StoredRun) -> bool:
    return run.state in _LIVE


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"address": address, "suite_address": suite_address}
    return environment
