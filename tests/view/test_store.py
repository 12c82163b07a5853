"""Runs in a folder: found, ordered, read from their reports, and confined to the folder."""

import fcntl
import os

import pytest

from evalkit.view.store import State, Store


def state(results):
    return Store(results).runs()[0].state


def quiet(folder):
    """Let it be long since anything was written."""
    for path in folder.iterdir():
        os.utime(path, (1, 1), follow_symlinks=False)


def test_runs_come_newest_first_with_their_figures(results, store):
    store(1)
    store(3, suite="other")
    store(2)
    found = Store(results)
    assert [run.name for run in found.runs()] == [
        "other/20300103-101500-ab03", "tiny/20300102-101500-ab02", "tiny/20300101-101500-ab01",
    ]  # fmt: skip
    assert [run.run_id[:8] for run in found.runs("tiny")] == ["20300102", "20300101"]
    assert found.suites() == ["other", "tiny"]
    large = found.runs()[0].figures[0]
    assert (large.model, large.passed, large.finished, large.rate, large.high) == ("large", 20, 20, 1.0, 1.0)
    assert large.cost_per_1k_usd == pytest.approx(2.0)
    assert large.served == ("large-v1",)


def test_an_empty_folder_has_no_runs(results):
    (results / "baselines").mkdir()
    (results / "baselines" / "tiny.json").write_text("{}")
    assert Store(results).runs() == []
    assert Store(results).suites() == []


def test_states(results, store, damage):
    folder = store(1, reported=False)
    assert state(results) is State.UNDER_WAY  # its report is still being written
    quiet(folder)
    assert state(results) is State.UNREPORTED
    from evalkit.analysis import load_run
    from evalkit.report import write_reports

    write_reports(load_run(folder))
    assert state(results) is State.COMPLETE
    damage(folder / "manifest.json", finished_at=None)
    assert state(results) is State.UNDER_WAY
    quiet(folder)
    assert state(results) is State.CUT_SHORT
    (folder / ".lock").touch()
    with (folder / ".lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert state(results) is State.UNDER_WAY
    assert state(results) is State.CUT_SHORT


def test_figures_from_before_a_resume_are_not_shown(results, store, damage):
    folder = store(1)
    damage(folder / "manifest.json", finished_at="2030-01-01T12:00:00+00:00")
    run = Store(results).runs()[0]
    assert (run.state, run.figures[0].rate) == (State.UNDER_WAY, None)
    quiet(folder)
    assert state(results) is State.UNREPORTED


def test_errors_make_a_run_incomplete(results, store):
    store(1, {"m": {"c1": True, "c2": "timeout"}})
    run = Store(results).runs()[0]
    assert run.state is State.INCOMPLETE
    assert (run.figures[0].passed, run.figures[0].finished) == (1, 2)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"models": [1], "incomplete": 1}', "[" * 100_000, "\x00"])
def test_a_damaged_report_is_told_of(results, store, content):
    (store(1) / "report.json").write_text(content)
    run = Store(results).runs()[0]
    assert run.state is State.DAMAGED
    assert "report.json" in run.fault
    assert [one.rate for one in run.figures] == [None, None]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "[" * 100_000, '{"format": 1}', '{"format": 1, "selection": [], "suite": 1}']
)
def test_a_damaged_manifest_is_told_of(results, store, content):
    (store(1) / "manifest.json").write_text(content)
    run = Store(results).runs()[0]
    assert (run.state, run.manifest, run.figures) == (State.DAMAGED, None, ())
    assert "manifest.json" in run.fault


@pytest.mark.parametrize("changed", [{"trials": "3"}, {"trials": 0}, {"prompts": [{"name": 1, "fingerprint": ""}]}])
def test_a_manifest_that_cannot_be_counted_with_is_told_of(results, store, damage, changed):
    damage(store(1) / "manifest.json", **changed)
    run = Store(results).runs()[0]
    assert (run.state, run.manifest) == (State.DAMAGED, None)
    assert run.fault.startswith("manifest.json is damaged: ")


@pytest.mark.parametrize("wrong", ["NaN", "-1", "true", '"0.5"', "1e999", "null", "{}"])
def test_what_is_no_figure_is_unknown(results, store, wrong):
    report = store(1) / "report.json"
    report.write_text(report.read_text().replace('"pass_rate": 1.0', f'"pass_rate": {wrong}'))
    assert Store(results).runs()[0].figures[0].rate is None


def test_a_report_written_anew_is_read_anew(results, store, damage):
    folder, found = store(1), Store(results)
    assert found.runs()[0].state is State.COMPLETE
    assert found.runs()[0] is found.runs()[0]
    damage(folder / "report.json", incomplete=True)
    assert found.runs()[0].state is State.INCOMPLETE


def test_names_are_looked_for_not_followed(results, store):
    store(1)
    found = Store(results / "tiny")
    for suite, run in [("..", "tiny"), (".", "20300101-101500-ab01"), ("../tiny", "20300101-101500-ab01"), ("", "")]:
        assert found.find(suite, run) is None
    assert Store(results).find("tiny", "latest") is None
    assert Store(results).find("tiny", "20300101-101500-ab01")


def test_links_that_lead_outside_are_not_followed(results, store, tmp_path):
    folder = store(1)
    outside = tmp_path / "outside"
    (results / "tiny").rename(outside)
    (results / "tiny").symlink_to(outside)
    assert Store(results).runs() == []
    (results / "tiny").unlink()
    (results / "tiny").mkdir()
    folder.symlink_to(outside / folder.name)
    (results / "tiny" / "loop").symlink_to("loop")
    assert Store(results).runs() == []


def test_a_file_that_is_a_link_to_elsewhere_is_not_there(results, store, tmp_path):
    folder, found = store(1), Store(results)
    run = found.runs()[0]
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "report.md").unlink()
    (folder / "report.md").symlink_to(secret)
    os.mkfifo(folder / "load.csv")
    assert found.file(run, "report.md") is None
    assert found.file(run, "load.csv") is None
    assert found.file(run, "absent.csv") is None
    assert found.file(run, "cases.csv") == folder / "cases.csv"
    (folder / "report.json").unlink()
    (folder / "report.json").symlink_to(secret)
    quiet(folder)
    assert found.runs()[0].state is State.UNREPORTED


@pytest.mark.parametrize("name", ["cases.jsonl", "records.jsonl", "scores.jsonl", "judgements.jsonl"])
def test_a_run_whose_journals_lie_elsewhere_is_not_found(results, store, tmp_path, name):
    folder = store(1)
    assert Store(results).find("tiny", folder.name)
    (folder / name).unlink(missing_ok=True)
    (tmp_path / "secret").touch()
    (folder / name).symlink_to(tmp_path / "secret")
    assert Store(results).find("tiny", folder.name) is None
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert Store(results).find("tiny", folder.name) is None


def test_a_folder_that_is_gone_or_has_no_name_to_say_is_passed_over(results, store):
    store(1)
    (results / os.fsdecode(b"\xff")).mkdir()
    found = Store(results)
    assert found.suites() == ["tiny"]
    results.rename(results.with_name("moved"))
    assert found.runs() == []
