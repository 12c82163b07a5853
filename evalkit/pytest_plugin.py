"""pytest collects suites as tests: one per case and candidate, judged by one run of each suite.

A suite is collected where the command line names it or the very folder that it is in (`pytest evals/`), everywhere
with `--evalkit`, and where the ini option `evalkit_suites` names it: a bare `pytest` must not begin to ask models that
cost money. A suite is run when the first of its tests is due, into `results/` like `evalkit run`, and only for what was
selected. Nothing of evalkit is imported, and no file is read, where nobody has asked for it.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from evalkit.cli.pytest_suite import CaseKey, SuiteRun
    from evalkit.types import Case

_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_KEYS: Final = tuple(
    re.compile(rf'^[{{\s]*["\']?{key}["\']?\s*:|"{key}"\s*:', re.MULTILINE) for key in ("cases", "prompts")
)
_SHARED: Final = "evalkit_shared"
"""The key under which pytest-xdist hands every worker the folder that they share."""
_NAMED: Final = "evalkit_named"
"""The key under which it hands them the paths that the command line names: workers have one of their own."""
_PATHS: Final = pytest.StashKey[Sequence[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("evalkit", "suites of evalkit as tests")
    group.addoption("--evalkit", action="store_true", help="Collect all suites of evalkit (*.yaml) as tests.")
    group.addoption(
        "--evalkit-model",
        action="append",
        default=[],
        metavar="NAME",
        help="Ask this model instead of those that the suites name; repeatable.",
    )
    group.addoption(
        "--evalkit-allow-code", action="store_true", help="Let the scorers of suites run code, as `evalkit run` does."
    )
    parser.addini(
        "evalkit_suites", "Files to collect as suites of evalkit, such as evals/*.yaml.", type="args", default=[]
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take a file that looks like a suite, if suites are wanted."""
    if file_path.suffix not in _SUFFIXES or not _is_wanted(file_path, parent.config) or not _is_suite(file_path):
        return None
    return SuiteFile.from_parent(parent, path=file_path)


def _is_wanted(path: Path, config: pytest.Config) -> bool:
    if config.getoption("--evalkit") or not {str(path), str(path.parent)}.isdisjoint(_named(config)):
        return True
    patterns: list[str] = config.getini("evalkit_suites")
    return any(fnmatch.fnmatch(str(path), str(config.rootpath / pattern)) for pattern in patterns)


def _named(config: pytest.Config) -> Sequence[str]:
    """The files and folders that the command line names, other than the whole project."""
    if _PATHS not in config.stash:
        workerinput: Mapping[str, Any] | None = getattr(config, "workerinput", None)
        config.stash[_PATHS] = _named_here(config) if workerinput is None else workerinput.get(_NAMED, ())
    return config.stash[_PATHS]


def _named_here(config: pytest.Config) -> Sequence[str]:
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return ()
    paths = (config.invocation_params.dir / arg.partition("::")[0] for arg in config.args)
    named = {os.path.abspath(path) for path in paths}  # noqa: PTH100 - as pytest does: links are not followed
    return sorted(named - {str(config.rootpath)})


def _is_suite(path: Path) -> bool:
    """Whether a file has the two keys that make a suite. It may be a broken one, which is to be seen."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return all(key.search(text) for key in _KEYS)


class SuiteFile(pytest.File):
    """A suite: its tests are its calls. `run` is what they are judged by."""

    run: SuiteRun

    def collect(self) -> Iterator[CaseItem]:
        """Load the suite, which asks nobody, and make a test of every call."""
        from evalkit.cli.pytest_suite import SuiteRun, words
        from evalkit.errors import EvalkitError

        config = self.config
        try:
            self.run = SuiteRun(
                self.path,
                tuple(config.getoption("--evalkit-model")),
                allow_code=config.getoption("--evalkit-allow-code"),
                home=config.invocation_params.dir,
                shared=getattr(config, "workerinput", {}).get(_SHARED),
            )
        except EvalkitError as error:
            raise self.CollectError(words(error)) from None
        for key, name, case in self.run.tests():
            yield CaseItem.from_parent(self, name=name, key=key, case=case)


class CaseItem(pytest.Item):
    """One call of a suite. `-k` knows it by its case, model, prompt and tags."""

    def __init__(self, *, key: CaseKey, case: Case, **kwargs: Any) -> None:  # noqa: ANN401 - pytest's own
        super().__init__(**kwargs)
        self.key = key
        self._where = case.where
        self.extra_keyword_matches.update(case.tags)

    @property
    def suite_run(self) -> SuiteRun:
        """What judges it."""
        assert isinstance(self.parent, SuiteFile)  # noqa: S101 - so that types are known
        return self.parent.run

    def setup(self) -> None:
        """Fail as an error where there is no verdict: a model that was not reached has not failed a test."""
        result = self.suite_run.result(self.key)
        self.user_properties.extend(result.properties)
        if result.error:
            pytest.fail(result.error, pytrace=False)

    def runtest(self) -> None:
        """Fail where the answer did."""
        failure = self.suite_run.result(self.key).failure
        if failure is not None:
            pytest.fail(failure, pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the case stands, if that is the suite file."""
        line = self._where.line if self._where and Path(self._where.path) == self.path else None
        return self.path, None if line is None else line - 1, self.name


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note what was selected: only that is asked."""
    for item in session.items:
        if isinstance(item, CaseItem):
            item.suite_run.select(item.key)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a suite before its first test, where its progress can be seen, and before others take that test's time."""
    if isinstance(item, CaseItem):
        try:
            item.suite_run.ensure()
        except KeyboardInterrupt:
            pytest.exit(item.suite_run.how_to_go_on(), returncode=pytest.ExitCode.INTERRUPTED)
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the reports are."""
    reports = [one for state in ("passed", "failed", "error") for one in terminalreporter.getreports(state)]
    told = [pair for one in reports if isinstance(one, pytest.TestReport) for pair in one.user_properties]
    pages = dict.fromkeys(value for name, value in told if name == "evalkit_report")
    if pages:
        terminalreporter.section("evalkit")
        for page in pages:
            terminalreporter.line(f"report: {page}")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - pytest-xdist's own
    """Give all workers one folder, in which the first to need a suite's run tells the others where it is."""
    config = node.config
    if not hasattr(config, "evalkit_shared"):
        config.evalkit_shared = tempfile.mkdtemp(prefix="evalkit-")
        config.add_cleanup(lambda: shutil.rmtree(config.evalkit_shared, ignore_errors=True))
    node.workerinput |= {_SHARED: config.evalkit_shared, _NAMED: _named(config)}
