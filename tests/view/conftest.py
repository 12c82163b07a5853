"""A results folder with runs in it, and the guarded app over it."""

import json

import pytest
from stored import store_run

from evalkit.types import Usage

HOST, TOKEN = "127.0.0.1:8123", "a-token-nobody-guesses"
CASES = [f"c{number}" for number in range(20)]


@pytest.fixture
def results(tmp_path):
    """Return an empty results folder."""
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


@pytest.fixture
def store(results):
    """Return a function that stores a run of a day in January, and its reports unless told otherwise."""

    def store(day, verdicts=None, *, suite="tiny", reported=True, **more):
        from evalkit.analysis import load_run
        from evalkit.report import write_reports

        run_id = f"203001{day:02}-101500-ab{day:02}"
        begin = f"2030-01-{day:02}T10:15:00+00:00"
        verdicts = verdicts or {"large": dict.fromkeys(CASES, True), "small": {case: case < "c15" for case in CASES}}
        priced = {
            (model, case): {"cost_usd": 0.002, "usage": Usage(20, output=5), "served_model": f"{model}-v1"}
            for model in verdicts
            for case in CASES
        }
        for key, changed in more.pop("fields", {}).items():
            priced[key] = priced.get(key, {}) | changed
        folder = store_run(
            results / suite / run_id,
            verdicts,
            suite=suite,
            fields=priced,
            **{"run_id": run_id, "created_at": begin, "finished_at": begin} | more,
        )
        if reported:
            write_reports(load_run(folder))
        return folder

    return store


@pytest.fixture
def client(results):
    """Return one who has come by the printed address."""
    from starlette.testclient import TestClient

    from evalkit.view.app import make_app
    from evalkit.view.guard import Guard

    app = Guard(make_app(results), TOKEN, [HOST], "key")
    client = TestClient(app, base_url=f"http://{HOST}", follow_redirects=False)
    client.cookies.set("key", TOKEN)
    return client


@pytest.fixture
def stranger(client):
    """Return one who has not."""
    client.cookies.clear()
    return client


@pytest.fixture
def damage():
    """Return a function that changes a JSON file."""

    def damage(path, **changed):
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return damage
