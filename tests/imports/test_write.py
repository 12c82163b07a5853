"""Suites in the making as files: they read back as they were, and nothing that is there is touched."""

from __future__ import annotations

import dataclasses

import hypothesis
import hypothesis.strategies as st
import pytest

from evalkit.errors import ConfigError
from evalkit.files import WriteError
from evalkit.imports.draft import DraftCase, DraftPrompt, DraftSuite
from evalkit.imports.write import suite_name, write_suite
from evalkit.models.config import load_models
from evalkit.suite import load_suite
from evalkit.types import MISSING

PROMPT = DraftPrompt("main", ({"user": "{{ m }}"},))
TEXTS = st.one_of(
    st.sampled_from(("no", "1.10", "a\nb\n", "{{ x }}", "# x", "---", "\U0001f600", "\x01", " x ", "2024-01-01")),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)


def draft(cases, **more):
    return DraftSuite("s", cases, (PROMPT,), {}, **{"scorers": ("exact",), **more})


def contents(path):
    return [(case.vars, case.expected, case.tags) for case in load_suite(path).cases]


@hypothesis.settings(max_examples=25)
@hypothesis.given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4), st.booleans())
def test_cases_read_back_as_they_were(tmp_path_factory, pairs, many):
    folder = tmp_path_factory.mktemp("w") / "suite"
    cases = [DraftCase({"m": text, "n": [text, {"k": 1.5}]}, expected=right or "x") for text, right in pairs]
    cases *= 200 // len(cases) + 1 if many else 1
    written = write_suite(draft(cases, scorers=({"length": {"min_chars": 1}},)), folder)
    assert written.problems == ()
    assert (folder / "cases.jsonl").exists() is many
    assert contents(written.suite) == [(case.vars, case.expected, ()) for case in cases]


def test_everything_of_a_draft_is_written(tmp_path):
    case = DraftCase({"m": "x"}, "a", "y", ("t",), ({"contains": "y"},), ({"user": "and?"},), ("look: here",))
    suite = draft(
        [case],
        description="What it is.",
        settings={"params": {"temperature": 0}, "trials": 2},
        todo=("finish it",),
        files={"grade/notes.txt": "n"},
        run=("b",),
    )
    models = {"a": {"provider": "openai", "model": "gpt-4o"}, "b": {"provider": "local", "weights": "smollm2-135m"}}
    second = DraftPrompt("main!", ({"system": "s"}, {"user": "{{ m }}"}), "Another.", ("mend",))
    written = write_suite(dataclasses.replace(suite, models=models, prompts=(PROMPT, second)), tmp_path / "out")
    loaded = load_suite(written.suite)
    assert (loaded.name, loaded.description, loaded.models, loaded.trials) == ("s", "What it is.", ("b",), 2)
    assert [prompt.name for prompt in loaded.prompts] == ["main", "main!"]
    (found,) = loaded.cases
    assert (found.id, found.expected, found.tags, len(found.scorers)) == ("a", "y", ("t",), 1)
    assert found.turns[0].user == "and?"
    assert list(load_models(tmp_path / "out" / "models.yaml")) == ["a", "b"]
    text = written.suite.read_text()
    assert "# TODO: finish it\n" in text
    assert "  # TODO: look: here\n  - id: a\n" in text
    assert (tmp_path / "out" / "grade" / "notes.txt").read_text() == "n"
    assert written.files[0] == written.suite
    assert len(written.files) == 5


def test_two_prompts_whose_names_make_one_file_get_two(tmp_path):
    prompts = (PROMPT, DraftPrompt("MAIN", PROMPT.messages), DraftPrompt("main ", PROMPT.messages))
    write_suite(dataclasses.replace(draft([DraftCase({"m": "x"}, expected="y")]), prompts=prompts), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "prompts").iterdir()) == [
        "main.yaml",
        "main_2.yaml",
        "main_3.yaml",
    ]


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path):
    (tmp_path / "models.yaml").write_text("mine")
    with pytest.raises(ConfigError, match=r"there already: .*models\.yaml; nothing was written"):
        write_suite(draft([DraftCase({"m": "x"}, expected="y")]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["models.yaml"]
    assert (tmp_path / "models.yaml").read_text() == "mine"


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_up_meanwhile_is_left_alone(tmp_path, monkeypatch, links):
    def no_link(*_):
        raise PermissionError

    monkeypatch.setattr("evalkit.imports.write._refuse_what_is_there", lambda *_: None)
    if not links:
        monkeypatch.setattr("os.link", no_link)
    (tmp_path / "models.yaml").write_text("mine")
    with pytest.raises(WriteError, match="File exists"):
        write_suite(draft([DraftCase({"m": "x"}, expected="y")]), tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == ["models.yaml"]
    assert (tmp_path / "models.yaml").read_text() == "mine"


def test_a_folder_with_other_files_takes_a_suite(tmp_path):
    (tmp_path / "other.txt").write_text("mine")
    written = write_suite(draft([DraftCase({"m": "x"}, expected="y")]), tmp_path)
    assert written.problems == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models.yaml", "other.txt", "prompts", "suite.yaml"]


def test_a_link_to_nowhere_counts_as_there(tmp_path):
    (tmp_path / "suite.yaml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="there already"):
        write_suite(draft([DraftCase({"m": "x"}, expected="y")]), tmp_path)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\b", "", "suite.yaml"])
def test_files_stay_in_the_folder(tmp_path, name):
    with pytest.raises(ConfigError, match=r"outside the suite's folder|written twice"):
        write_suite(draft([DraftCase({"m": "x"}, expected="y")], files={name: "x"}), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_folders_place(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(ConfigError, match="is a file, not a folder"):
        write_suite(draft([DraftCase({"m": "x"}, expected="y")]), tmp_path / "out")


def test_problems_are_told_with_their_places(tmp_path):
    written = write_suite(draft([DraftCase({"m": "x"})], run=("nobody",)), tmp_path / "out")
    assert "`expected` is missing" in str(written.problems[0])
    written = write_suite(draft([DraftCase({"m": "x"}, expected="y")], run=("nobody",)), tmp_path / "two")
    assert [problem.message for problem in written.problems] == ["no model 'nobody' is configured"]


def test_a_suite_of_which_nothing_came_along_says_so(tmp_path):
    written = write_suite(dataclasses.replace(draft([]), prompts=()), tmp_path / "out")
    assert [str(problem.where.line) for problem in written.problems] == ["2", "6"]


def test_scorers_that_run_code_are_told_of_not_run(tmp_path):
    suite = draft([DraftCase({"m": "x"})], scorers=({"python": "grade.py:f"},), files={"grade.py": "raise SystemExit"})
    written = write_suite(suite, tmp_path / "out")
    assert (written.needs_code, written.problems) == (True, ())


def test_remarks_on_many_cases_stand_in_the_suite(tmp_path):
    cases = [DraftCase({"m": str(n)}, str(n), "y", todo=("mend",) if n > 100 else ()) for n in range(300)]
    written = write_suite(draft(cases), tmp_path / "out")
    text = written.suite.read_text()
    assert "  # TODO: line 102 of cases.jsonl (101): mend\n" in text
    assert "  # ... and 149 more\n  - file: cases.jsonl\n" in text
    assert written.problems == ()


def test_what_no_file_can_hold(tmp_path):
    cases = [DraftCase({"m": "a\ud83d", "n": float("nan")}, expected="y") for _ in range(201)]
    written = write_suite(draft(cases), tmp_path / "out")
    assert contents(written.suite)[0][0] == {"m": "a\ufffd", "n": None}


def test_a_case_without_expected_has_none(tmp_path):
    written = write_suite(draft([DraftCase({"m": "x"})], scorers=("json",)), tmp_path / "out")
    assert contents(written.suite) == [({"m": "x"}, MISSING, ())]


@pytest.mark.parametrize(
    ("text", "name"), [("My Suite!", "my-suite"), ("../..", "imported"), ("", "imported"), ("a.b_c-1", "a.b_c-1")]
)
def test_names_of_suites(text, name):
    assert suite_name(text) == name
