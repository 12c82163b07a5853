"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from _pytest.terminal import TerminalReporter
from chat_server import ChatServer
from workspace import Workspace

from evalkit.providers.weights import cache_dir

# The same examples every time, however slow the machine: a suite that guards changes must not fail by chance.
# HYPOTHESIS_PROFILE=default explores.
hypothesis.settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

SHARED = Path(__file__).parents[2] / "shared" / "fixtures"
WEIGHTS = cache_dir() / "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture
def chat_server() -> Iterator[ChatServer]:
    """Serve chat completions that echo the last message, until told otherwise."""
    server = ChatServer()
    yield server
    server.close()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return an empty folder to run the command in."""
    return Workspace(tmp_path)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own keys and proxies out of the tests."""
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def weights() -> Path:
    """Return the embedded default's weights; the test is skipped where they have not been pulled."""
    if not WEIGHTS.is_file():
        pytest.skip("needs the weights: evalkit models pull smollm2-135m")
    return WEIGHTS


@pytest.fixture
def shared() -> Path:
    """Return the folder of published results; the test is skipped where it does not lie beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared/fixtures beside the checkout")
    return SHARED


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print how far scorers agree with published graders, as tests/agreement found it."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    rows = sorted(value for report in reports for name, value in report.user_properties if name == "agreement")
    if rows:
        terminalreporter.section("agreement with published verdicts")
        terminalreporter.line(f"{'fixture':<40} {'scorer':<46} {'agreed':>13} {'share':>8} {'required':>9}")
    for fixture, scorer, agreed, of, required in rows:
        share = f"{agreed / of:.2%}" if of else "n/a"
        terminalreporter.line(f"{fixture:<40} {scorer:<46} {f'{agreed}/{of}':>13} {share:>8} {required:>9.1%}")
