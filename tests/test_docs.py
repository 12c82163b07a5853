"""The READMEs of evals/, prompts/ and results/: their tables are up to date, and their examples work."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from reference import PAGES, ROOT, TABLES, commands, refreshed, switches
from reference_words import COLUMNS, EXIT_CODES, FILES, RECORD, SECTIONS
from stored import store_run
from typer.main import get_command
from workspace import Workspace

from evalkit.analysis import load_run
from evalkit.analysis.tidy import COLUMN_TYPES
from evalkit.cli.app import app
from evalkit.errors import ExitCode
from evalkit.report.files import write_reports
from evalkit.runner.journal import JUDGEMENTS, RECORDS, SCORES
from evalkit.runner.manifest import CASES, MANIFEST, Load
from evalkit.scorers import SCORERS
from evalkit.scorers.extract import STEPS
from evalkit.suite.schema import prompt_schema, suite_schema
from evalkit.types import Record

EVALS, PROMPTS, RESULTS = (page.read_text(encoding="utf-8") for page in PAGES)
ALL = {page: page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *PAGES)}


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def examples(text: str, kind: str = "yaml") -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


SUITE, GATE, SCORING, MODELS = examples(EVALS)
PROMPT, INLINE, PICTURE = examples(PROMPTS)


@pytest.fixture
def desk(workspace: Workspace) -> Workspace:
    """Return a folder with the files of the examples."""
    workspace.write("suite.yaml", SUITE)
    workspace.write("triage.yaml", PROMPT)
    workspace.write("models.yaml", MODELS)
    workspace.write("tickets.jsonl", '{"id": "late", "message": "Where is my parcel?", "expected": "shipping"}\n')
    workspace.write(
        "rules.py", "def route(vars):\n    return 'billing' if 'charged' in vars['message'] else 'shipping'\n"
    )
    return workspace


def is_valid(desk: Workspace, **changes: Any) -> bool:
    """Whether the example's suite is valid with some of its keys changed; the complaint is the assertion's."""
    desk.write("suite.yaml", {**yaml.safe_load(SUITE), **changes})
    done = desk.run("validate", "suite.yaml", OPENAI_API_KEY="none")
    assert done.code == 0, done.err
    return True


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_tables_are_up_to_date(page: Path) -> None:
    """Bring them up to date with: python tests/support/reference.py."""
    assert refreshed(ALL[page]) == ALL[page]


def test_every_table_has_its_place() -> None:
    assert sorted(re.findall(r"<!-- table: ([a-z-]+) -->", EVALS + PROMPTS + RESULTS)) == sorted(TABLES)


def test_a_marker_that_names_no_table_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="unheard-of"):
        refreshed("<!-- table: unheard-of -->\n<!-- end of table -->")


@pytest.mark.parametrize("name", ["suite", "gate", "decide"])
def test_every_key_of_a_suite_is_described(name: str) -> None:
    schema = suite_schema() if name == "suite" else suite_schema()["$defs"][name]
    assert [key for key in schema["properties"] if f"| `{key}` |" not in TABLES[name]()] == []


def test_every_key_of_a_prompt_is_described() -> None:
    assert [key for key in prompt_schema()["properties"] if f"| `{key}` |" not in PROMPTS] == []


def test_every_scorer_and_extraction_step_is_described() -> None:
    assert [name for name in (*SCORERS, *STEPS) if f"| `{name}` |" not in EVALS] == []


def test_what_the_code_has_names_for_has_words_and_nothing_else_has() -> None:
    assert RECORD.keys() == Record.__dataclass_fields__.keys()
    assert EXIT_CODES.keys() == {code.name for code in ExitCode}
    assert COLUMNS["cases.csv"].keys() <= COLUMN_TYPES.keys()


def test_files_columns_and_sections_are_those_of_a_run(tmp_path: Path) -> None:
    """Of one that has everything: several candidates, a rate, and labels."""
    verdicts = {name: {f"c{number}": number % 2 == 0 for number in range(4)} for name in ("a", "b")}
    folder = store_run(tmp_path / "run", verdicts, load=Load(5.0))
    write_reports(load_run(folder))
    written = {path.name for path in folder.iterdir()}
    assert written <= FILES.keys()
    assert FILES.keys() - written == {"gate.md", "gate.json", "labels.csv", JUDGEMENTS}
    assert {MANIFEST, CASES, RECORDS, SCORES} <= written
    for name in ("models.csv", "cases.csv", "scorers.csv", "load.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file))
        described = TABLES[name.replace(".", "-")]()
        assert re.findall(r"^\| `(\w+)` \|", described, re.MULTILINE) == header
    assert list(json.loads((folder / "report.json").read_text(encoding="utf-8"))) == list(SECTIONS)


@pytest.mark.e2e
def test_the_suite_is_valid_and_runs(desk: Workspace) -> None:
    assert desk.run("validate", "suite.yaml", OPENAI_API_KEY="none").code == 0
    done = desk.run("run", "suite.yaml", "-m", "rules")
    assert done.code == 0, done.err
    assert "2/3" in done.out


@pytest.mark.e2e
def test_the_inline_prompts_run(desk: Workspace) -> None:
    assert is_valid(desk, prompts=yaml.safe_load(INLINE)["prompts"])
    done = desk.run("run", "suite.yaml", "-m", "rules", "-p", "one-word", "-p", "shown-how")
    assert done.code == 0, done.err
    assert desk.run("compare", "support-triage@one-word", "support-triage@shown-how").code == 0


@pytest.mark.e2e
def test_the_prompt_with_a_picture_is_valid(desk: Workspace) -> None:
    desk.write("triage.yaml", PICTURE)
    desk.path.joinpath("photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    case = {"vars": {"photo": "photo.png"}, "expected": "bug"}
    assert is_valid(desk, cases=[case], models=["gpt-4o-mini"])


@pytest.mark.e2e
def test_the_scorers_are_valid(desk: Workspace) -> None:
    cases = [{"vars": {"message": "?"}, "expected": 3}]
    assert is_valid(desk, scorers=yaml.safe_load(SCORING)["scorers"], cases=cases)


@pytest.mark.e2e
def test_the_gate_rules_are_all_there_are_and_valid(desk: Workspace) -> None:
    rules = yaml.safe_load(GATE)["gate"]
    assert {*rules, "max_drop", "metric"} == {*suite_schema()["$defs"]["gate"]["properties"]}
    cases = [{"vars": {"message": "?"}, "expected": "bug", "tags": ["safety", "flaky"]}]
    assert is_valid(desk, cases=cases, gate=rules)


@pytest.mark.e2e
def test_outputs_from_elsewhere_are_judged(desk: Workspace) -> None:
    (rows,) = examples(EVALS, "jsonl")
    (command,) = re.findall(r"`evalkit (score outputs\.jsonl .*?)`", EVALS)
    desk.write("outputs.jsonl", rows)
    assert desk.run(*shlex.split(command)).code == 0
    verdicts = [json.loads(line) for line in (desk.path / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(one["id"], one["passed"]) for one in verdicts] == [("sum", True), ("product", False)]
    assert {"id", "value", "passed", "reason"} <= verdicts[0].keys()


def test_every_command_has_its_section() -> None:
    """With all that can be typed behind it, as typer itself lists it."""
    tree = get_command(app)
    leaves = {**tree.commands, **{f"models {name}": one for name, one in tree.commands["models"].commands.items()}}
    assert sorted(commands()) == sorted(leaves)
    for name, command in leaves.items():
        heading = rf"^### `evalkit {name}( [^`]*)?`$"
        assert re.search(heading, RESULTS, re.MULTILINE), name
        names = {part for one in switches(commands()[name]) for given in one.names for part in given.split("/")}
        listed = {part for one in command.params for part in (*one.opts, *one.secondary_opts) if part.startswith("-")}
        assert names == listed - {"--help"}, name


@pytest.mark.parametrize("page", ALL, ids=named)
def test_every_command_and_option_exists(page: Path) -> None:
    """In blocks and in running text; `evalkit-cli` and other programs are left alone."""
    text = ALL[page].partition("<!-- table: commands -->")[0]
    shown = re.findall(r"^\$ (evalkit .*)$", text, re.MULTILINE) + re.findall(r"`(evalkit [a-z][^`]*)`", text)
    known = commands()
    assert shown
    for line in shown:
        words = shlex.split(line.replace("\n", " "), comments=True)[1:]
        name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        names = {part for one in switches(known[name]) for given in one.names for part in given.split("/")}
        assert [word for word in words if re.match(r"--?[a-z]", word) and word not in names] == [], line


@pytest.mark.parametrize("page", ALL, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", ALL[page])
    assert links
    for link in (link for link in links if "://" not in link):
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not heading or heading in _anchors(target), link


def _anchors(page: Path) -> set[str]:
    """The headings of a page, as GitHub spells them in links."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
