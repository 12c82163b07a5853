"""`evalkit label` without a terminal: agreement, writing, and what it says when it cannot start."""

from __future__ import annotations

import builtins
import json

import pytest
from stored import store_run

pytest.importorskip("textual")

from evalkit.files import WriteError
from evalkit.labelling.app import LabelApp, Left
from evalkit.labelling.journal import Journal
from evalkit.labelling.marks import Act, Entry, Mark
from evalkit.labelling.source import open_source
from evalkit.types import MISSING


@pytest.fixture
def label(in_process, tmp_path):
    """The command, on a file of ten cases."""
    rows = [f"c{n},text {n}\n" for n in range(10)]
    (tmp_path / "cases.csv").write_text("id,text\n" + "".join(rows))

    def run(*arguments, **options):
        return in_process("label", "cases.csv", *arguments, **options)

    return run


def say(tmp_path, name, labels, **looked):
    """Let somebody label: one letter for each case, `.` for none."""
    source = open_source(tmp_path / "cases.csv")
    with Journal(source.path, name) as journal:
        for item, said in zip(source.items, labels, strict=False):
            if said != ".":
                mark = Mark(label=said, after_look=item.case.id in looked.get("seen", ()), looked=True, before_look="x")
                journal.add(Entry(Act.SET, item.case.id, item.print, mark, "2030"))


def test_agreement_is_printed(label, tmp_path):
    say(tmp_path, "anna", "xxxxxyyyyy", seen=("c1",))
    say(tmp_path, "ben", "xxxxyyyyy.")
    out = label("--agreement")
    assert "anna and ben" in out
    assert "8/9 (88.9 %)" in out
    assert "Cohen's kappa 0.78 (95 %: 0.38 to 1.00)" in out
    assert "after a look  1/1 (100 %); without 7/8" in out
    assert "by one alone  anna 1, ben 0" in out
    assert "They differ on 1 case:\n  c4  anna: x; ben: y" in out
    assert "anna set 1 of 10 labels after a look at answers; of 10 that stood before, 5 changed" in out
    assert "9/10 (90.0 %) of the cases have a label that stands" in out
    assert "evalkit label cases.csv --adjudicate" in out


def test_agreement_as_json(label, tmp_path):
    say(tmp_path, "anna", "xy")
    say(tmp_path, "ben", "xx")
    document = json.loads(label("--agreement", "--json"))
    assert document["agreement"][0]["disputes"] == [{"case": "c1", "said": {"anna": "y", "ben": "x"}}]
    assert document["agreement"][0]["kappa"] == 0
    assert document["annotators"]["anna"]["labelled"] == 2


@pytest.mark.parametrize("width", [40, 100])
def test_agreement_of_three_on_nothing_much(label, tmp_path, width):
    for name, labels in {"a": "xxxx", "b": "....", "c": "xxxx"}.items():
        say(tmp_path, name, labels)
    out = label("--agreement", width=width)
    assert "no case has labels of both" in out
    assert "kappa n/a" in out


def test_labels_are_written_where_nobody_differs(label, tmp_path):
    say(tmp_path, "anna", "xxy")
    say(tmp_path, "ben", "xyy.z")
    out = label("--write")
    assert "cases.csv: 3 labels written" in out
    assert "1 case not written, as annotators differ: evalkit label cases.csv --adjudicate" in out
    written = (tmp_path / "cases.csv").read_text().splitlines()
    assert written[:6] == ["id,text,expected", "c0,text 0,x", "c1,text 1,", "c2,text 2,y", "c3,text 3,", "c4,text 4,z"]
    assert "1 label written" in label("--write", "--annotator", "ben")
    assert "c1,text 1,y" in (tmp_path / "cases.csv").read_text()
    say(tmp_path, "adjudicated", ".x")
    assert "1 label written" in label("--write")
    assert "c1,text 1,x" in (tmp_path / "cases.csv").read_text()
    assert "4 labels there already" in label("--write")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "labelling needs a terminal"),
        (("--write",), "there are no labels yet"),
        (("--write", "-a", "anna"), "there are no labels by anna yet"),
        (("--write", "-a", "../anna"), "cannot name an annotator"),
        (("--agreement",), "nobody has labelled"),
        (("--adjudicate",), "there is nothing to adjudicate"),
        (("-a", "adjudicated"), "is no annotator's name"),
        (("--agreement", "--write"), "choose one of"),
        (("--json",), "--json goes with --agreement"),
        (("--answers", "nothing"), "no run 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_said(label, arguments, words):
    said = " ".join(label(*arguments, code=2).replace("│", " ").split())
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone.csv", "error: gone.csv: there is no such file"),
        ("gone.yaml", "gone.yaml"),
        ("cases.txt", "error: cases.txt: cases cannot be labelled in such a file"),
        (".", "cases cannot be labelled in such a file"),
    ],
)
def test_a_file_that_is_none(in_process, name, words):
    assert words in in_process("label", name, "--agreement", code=2)


def test_without_the_extra_the_command_says_how_to_get_it(label, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.partition(".")[0] == "textual":
            raise ImportError(name=name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    said = label(code=2)
    assert "`evalkit label` needs a package that is not installed: textual" in said
    assert "pip install 'evalkit-cli[label]'" in said


@pytest.fixture
def at_the_desk(label, monkeypatch):
    """Run the command with a function in the place of the terminal interface: it gets the session and the view."""
    monkeypatch.setattr("evalkit.cli.labelling.somebody_there", lambda: True)

    def run(person, *arguments, **options):
        monkeypatch.setattr(LabelApp, "run", lambda self, mouse: person(self._session, self._view))
        return label(*arguments, **options)

    return run


def ids(session):
    return [item.case.id for item in session.items]


def test_labels_are_kept_and_written_if_wanted(at_the_desk, tmp_path):
    def first(session, view):
        assert (view.title, view.annotator, view.offers_writing) == ("cases.csv", "me", True)
        assert session.task.labels == ("x", "y")
        session.set_label("x")

    out = at_the_desk(first, "--labels", "x, y,")
    assert "1 label by me kept in cases.csv.labels" in out
    assert "evalkit label cases.csv --write\n" in out

    def second(session, view):
        assert ids(session)[0] == "c1"
        session.set_label("y")
        return Left.WRITE

    assert "2 labels written" in at_the_desk(second, "--labels", "x,y", "--only-unlabelled")

    def third(session, view):
        assert (session.is_done(session.items[0]), session.label) == (False, MISSING)
        assert not view.offers_writing

    out = at_the_desk(third, "--annotator", "anna")
    assert out == "0 labels by anna kept in cases.csv.labels\n"


def test_labels_named_once_are_there_the_next_time_for_whoever_labels(at_the_desk):
    seen = []

    def note(session, view):
        seen.append(session.task.labels)

    at_the_desk(note, "--labels", "x,y")
    at_the_desk(note)
    at_the_desk(note, "--annotator", "anna")
    at_the_desk(note, "--labels", "z")
    at_the_desk(note)
    at_the_desk(note, "--as-json")
    assert seen == [("x", "y"), ("x", "y"), ("x", "y"), ("z",), ("z",), ()]


def test_beside_others_the_labels_in_the_file_are_hidden_from_whoever_gives_no_name(
    at_the_desk, label, tmp_path, capsys
):
    say(tmp_path, "anna", "xy")
    label("--write", "--annotator", "anna")

    def person(session, view):
        assert (session.label, session.progress().labelled) == (MISSING, 0)
        assert not view.offers_writing
        assert "anna labelled these cases too: yours are kept apart as those of me" in capsys.readouterr().err

    at_the_desk(person)


@pytest.mark.parametrize("arguments", [["--write"], ["--agreement"]])
def test_labels_that_no_longer_count_are_named_wherever_they_are_used(label, tmp_path, monkeypatch, arguments):
    warned = []
    say(tmp_path, "anna", "xx")
    say(tmp_path, "ben", "xx")
    file = tmp_path / "cases.csv"
    file.write_text(file.read_text().replace("text 0", "another text"))
    monkeypatch.setattr("evalkit.cli.label_screen.print_warning", warned.append)
    label(*arguments)
    for name in ("anna", "ben"):
        assert f"1 label by {name} left out: the cases are gone, or ask something else now" in warned


def test_some_cases_in_some_order(at_the_desk):
    seen = []
    for seed in ("1", "1", "2"):
        at_the_desk(lambda session, view: seen.append(ids(session)), "--shuffle", "--seed", seed)
    assert seen[0] == seen[1] != seen[2]
    at_the_desk(lambda session, view: seen.append(ids(session)), "-f", "c[12]", "-f", "c9")
    assert seen[-1] == ["c1", "c2", "c9"]
    assert "there is no case to label" in at_the_desk(None, "-f", "zzz", code=2)


def test_adjudicating_shows_what_is_contested_alone(at_the_desk, label, tmp_path):
    say(tmp_path, "anna", "xxy")
    say(tmp_path, "ben", "xyy")

    def settle(session, view):
        assert ids(session) == ["c1"]
        assert {name: mark.label for name, mark in view.said["c1"].items()} == {"anna": "x", "ben": "y"}
        session.set_label("z")

    assert "1 label by adjudicated kept" in at_the_desk(settle, "--adjudicate")
    label("--write")
    assert "c1,text 1,z" in (tmp_path / "cases.csv").read_text()


def test_labels_of_changed_cases_are_named(at_the_desk, tmp_path, capsys):
    say(tmp_path, "me", "xx")
    file = tmp_path / "cases.csv"
    file.write_text(file.read_text().replace("text 0", "another text"))

    def nothing(session, view):
        assert ids(session)[0] == "c0"
        assert session.progress().labelled == 1
        assert "1 label by me left out" in capsys.readouterr().err

    at_the_desk(nothing)


def test_answers_of_a_run_come_by_case(at_the_desk, tmp_path):
    verdicts = {"c0": True, "c1": False, "c2": "timeout"}
    said = {("m", "c0"): {"output": "yes"}, ("n", "c1"): {"output": "no"}}
    store_run(tmp_path / "old", {"m": verdicts, "n": verdicts}, fields=said)
    seen = []
    at_the_desk(lambda session, view: seen.append(view.answers), "--answers", "old:m")
    assert seen[0]["c0"] == [("m", "yes")]
    assert list(seen[0]) == ["c0", "c1"]
    at_the_desk(lambda session, view: seen.append(view.answers), "--answers", "old")
    assert [name for name, _ in seen[1]["c0"]] == ["m", "n"]


def test_a_full_disk_is_an_error_of_its_own(at_the_desk, label, monkeypatch):
    at_the_desk(lambda session, view: None)

    def full(app, mouse):
        app.fault = WriteError("the disk is full")

    monkeypatch.setattr(LabelApp, "run", full)
    assert "the disk is full" in label(code=3)
