"""Evals of OpenAI's registry become suites: samples, few-shot examples, and each class as a scorer."""

from __future__ import annotations

import json
import random

import pytest

from evalkit.errors import ConfigError, EvalkitError
from evalkit.imports.openai_evals import read
from evalkit.imports.options import AS_THEY_ARE, ImportOptions
from evalkit.imports.write import write_suite
from evalkit.suite import load_suite

SAMPLES = [
    {
        "input": [{"role": "system", "content": "Name the {{colour}}."}, {"role": "user", "content": "grass"}],
        "ideal": "green",
    },
    {
        "input": [{"role": "system", "content": "Name the {{colour}}."}, {"role": "user", "content": "sky"}],
        "ideal": "blue",
    },
]


def registry(tmp_path, kind, samples=SAMPLES, args="", name="colours"):
    (tmp_path / "evals").mkdir(exist_ok=True)
    (tmp_path / "data" / "x").mkdir(parents=True, exist_ok=True)
    (tmp_path / "data" / "x" / "s.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    path = tmp_path / "evals" / f"{name}.yaml"
    path.write_text(
        f"{name}:\n  id: {name}.dev.v0\n  metrics: [accuracy]\n{name}.dev.v0:\n  class: evals.elsuite.{kind}\n"
        f"  args:\n    samples_jsonl: x/s.jsonl\n{args}"
    )
    return path


def lost(draft):
    return [(note.where.line, note.message) for note in draft.notes if note.lost]


@pytest.mark.parametrize(
    ("kind", "ideal", "args", "scorer", "passes", "fails"),
    [
        ("basic.match:Match", "green", "", "starts_with", "green, of course", "it is green"),
        ("basic.match:Match", ["green", "lime"], "", "any_of", "lime!", "a lime"),
        ("basic.includes:Includes", "green", "", "contains_any", "it is green", "it is Green"),
        ("basic.includes:Includes", ["green"], "    ignore_case: true\n", "contains_any", "it is Green", "blue"),
        ("basic.fuzzy_match:FuzzyMatch", ["The Green!"], "", "contains_any", "it is green", "blue"),
        ("basic.fuzzy_match:FuzzyMatch", ["A", "B"], "", "contains_any", "it is (a)", "it"),
        ("basic.json_match:JsonMatch", '{"a": 1, "b": [2]}', "", "json_equal", '{"b": [2], "a": 1}', '{"a": 1}'),
        ("basic.json_match:JsonMatch", ['{"a": 1}', '{"a": 2}'], "", "any_of", '{"a": 2}', '{"a": 3}'),
        ("basic.json_validator:JsonValidator", None, "", "json", "{}", "{"),
    ],
)
def test_classes_judge_as_they_did(tmp_path, kind, ideal, args, scorer, passes, fails):
    path = registry(tmp_path, kind, [{"input": "q", "ideal": ideal}], args)
    draft = read(path, AS_THEY_ARE)
    assert lost(draft) == []
    written = write_suite(draft, tmp_path / "out")
    assert written.problems == ()
    suite = load_suite(written.suite)
    (case,) = suite.cases
    (entry,) = suite.scorers_for(case)
    assert entry.name == scorer

    from evalkit.types import Record

    def passed(output):
        record = Record.__new__(Record)
        for name in Record.__slots__:
            object.__setattr__(record, name, None)
        object.__setattr__(record, "output", output)
        object.__setattr__(record, "tool_calls", ())
        return entry.scorer.score(record, case).passed

    assert passed(passes)
    assert not passed(fails)


def test_samples_become_cases_with_a_common_prompt(tmp_path):
    draft = read(registry(tmp_path, "basic.match:Match", args="    max_tokens: 5\n"), AS_THEY_ARE)
    assert draft.name == "colours"
    assert [(case.vars, case.expected) for case in draft.cases] == [
        ({"input": "grass"}, "green"),
        ({"input": "sky"}, "blue"),
    ]
    assert draft.scorers == ("starts_with",)
    assert draft.settings == {"params": {"temperature": 0, "max_tokens": 5}}
    written = write_suite(draft, tmp_path / "out")
    assert written.problems == ()
    from evalkit.suite.render import Renderer

    suite = load_suite(written.suite)
    messages = Renderer(suite.prompts[0], {}).messages(suite.cases[0])
    assert [message.content for message in messages] == ["Name the {{colour}}.", "grass"]


def test_examples_stand_before_the_last_message(tmp_path):
    path = registry(tmp_path, "basic.match:Match", args="    num_few_shot: 1\n    few_shot_jsonl: x/few.jsonl\n")
    shot = [{"role": "user", "content": "snow"}, {"role": "assistant", "content": "white"}]
    named = [{**message, "role": "system", "name": f"example_{message['role']}"} for message in shot]
    for spelling in (shot, named):
        (tmp_path / "data" / "x" / "few.jsonl").write_text((json.dumps({"sample": spelling}) + "\n") * 2)
        assert read(path, AS_THEY_ARE).prompts[0].messages[1:] == (
            {"user": "snow"},
            {"assistant": "white"},
            {"user": "{{ input }}"},
        )


def test_different_openings_stand_with_their_cases(tmp_path):
    samples = [*SAMPLES, {"input": "plain", "ideal": "x"}]
    draft = read(registry(tmp_path, "basic.match:Match", samples), AS_THEY_ARE)
    assert draft.prompts[0].messages == ({"insert": "history"}, {"user": "{{ input }}"})
    assert draft.cases[2].vars == {"input": "plain", "history": []}
    assert write_suite(draft, tmp_path / "out").problems == ()


@pytest.mark.parametrize(
    ("spec", "scores", "scorer"),
    [
        ("fact", None, "judge_reference"),
        ("closedqa", None, "judge"),
        ("fun", {"Yes": 1.0, "No": 0.0}, "judge_choice"),
        ("fun", {"1": 1, "2": 2, "5": 5}, "judge_choice"),
        ("fun", "from_strings", "judge_choice"),
    ],
)
def test_models_that_judge(tmp_path, spec, scores, scorer):
    path = registry(
        tmp_path,
        "modelgraded.classify:ModelBasedClassify",
        [{"input": "q", "ideal": "right", "criteria": "short"}],
        f"    modelgraded_spec: {spec}\n",
    )
    (tmp_path / "modelgraded").mkdir()
    content = {"prompt": "Is {completion} funny?", "choice_strings": "12345", "choice_scores": scores}
    (tmp_path / "modelgraded" / f"{spec}.yaml").write_text(json.dumps(content if scores else {"prompt": "x"}))
    draft = read(path, AS_THEY_ARE)
    assert lost(draft) == []
    assert draft.settings["judge"] == "gpt-4o-mini"
    assert draft.run == ("smollm2-135m",)
    (spelled,) = (*draft.scorers, *draft.cases[0].scorers)
    assert (spelled if isinstance(spelled, str) else next(iter(spelled))) == scorer
    if scores:
        assert max(spelled["judge_choice"]["choices"].values()) == 1
        assert min(spelled["judge_choice"]["choices"].values()) == 0
    assert write_suite(draft, tmp_path / "out").problems == ()


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("strange:Strange", ""),
        ("modelgraded.classify:ModelBasedClassify", "    modelgraded_spec: nowhere\n"),
        ("modelgraded.classify:ModelBasedClassify", "    modelgraded_spec: ../../x\n"),
        ("modelgraded.classify:ModelBasedClassify", "    modelgraded_spec: fact\n    multicomp_n: 2\n"),
    ],
)
def test_classes_without_a_counterpart_are_lost(tmp_path, kind, args):
    draft = read(registry(tmp_path, kind, args=args), AS_THEY_ARE)
    ((line, message),) = lost(draft)
    assert line == 4
    assert "has no counterpart" in message
    assert draft.todo
    assert write_suite(draft, tmp_path / "out").problems == ()


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ({"input": "q", "ideal": ""}, "does not say what is right"),
        ({"input": "q"}, "does not say what is right"),
        ({"ideal": "x"}, "an object with `input`"),
        ({"input": [], "ideal": "x"}, "nobody asks anything"),
        ({"input": [{"role": "user", "content": [{"type": "image_url"}]}], "ideal": "x"}, "more than text"),
        ([], "an object with `input`"),
    ],
)
def test_samples_that_cannot_be_cases_are_lost_with_their_lines(tmp_path, sample, words):
    draft = read(registry(tmp_path, "basic.match:Match", [*SAMPLES, sample]), AS_THEY_ARE)
    ((line, message),) = lost(draft)
    assert line == 3
    assert words in message
    assert [(share.found, share.carried) for share in draft.shares] == [(3, 2)]


def test_one_of_several_evals_is_chosen_by_name(tmp_path):
    path = registry(tmp_path, "basic.match:Match")
    path.write_text(
        path.read_text()
        + "other.dev.v1:\n  class: evals.elsuite.basic.includes:Includes\n  args: {samples_jsonl: x/s.jsonl}\n"
    )
    with pytest.raises(ConfigError, match="2 evals") as caught:
        read(path, AS_THEY_ARE)
    assert caught.value.remedy == "choose one with --name: colours, other"
    assert read(path, ImportOptions(name="colours")).scorers == ("starts_with",)
    assert read(path, ImportOptions(name="other")).scorers == ("contains_any",)
    with pytest.raises(ConfigError, match="did you mean `other`"):
        read(path, ImportOptions(name="othr"))


@pytest.mark.parametrize("named", ["../../etc/passwd", "/etc/passwd", "nowhere.jsonl", "a\\0b", "x" * 5000])
def test_data_outside_the_registry_are_not_read(tmp_path, named):
    path = registry(tmp_path, "basic.match:Match")
    path.write_text(path.read_text().replace("x/s.jsonl", json.dumps(named)))
    with pytest.raises(ConfigError, match=r"is not there|outside the registry"):
        read(path, AS_THEY_ARE)


def test_links_out_of_the_registry_are_not_followed(tmp_path):
    inner = tmp_path / "registry"
    inner.mkdir()
    path = registry(inner, "basic.match:Match")
    (tmp_path / "secret.jsonl").write_text(json.dumps(SAMPLES[0]))
    (inner / "data" / "x" / "s.jsonl").unlink()
    (inner / "data" / "x" / "s.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(ConfigError, match=r"is not there|outside the registry"):
        read(path, AS_THEY_ARE)


def test_a_pointer_of_git_lfs_is_told(tmp_path):
    path = registry(tmp_path, "basic.match:Match")
    (tmp_path / "data" / "x" / "s.jsonl").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    with pytest.raises(ConfigError, match="no sample can be read"):
        read(path, AS_THEY_ARE)


def test_samples_alone_are_judged_by_match(tmp_path):
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in SAMPLES))
    draft = read(tmp_path / "s.jsonl", ImportOptions(limit=1, models=("openai:gpt-4o",)))
    assert (draft.scorers, len(draft.cases), draft.run) == (("starts_with",), 1, ("gpt-4o",))


@pytest.mark.parametrize(
    "text", ["", "a: 1", "[1]", "a:\n  class: 1\n", "a:\n  class: x\n  args: 3\n", "a: [", "a:\n  class: {}\n"]
)
def test_what_is_no_eval(tmp_path, text):
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(EvalkitError):
        read(tmp_path / "e.yaml", AS_THEY_ARE)


def test_damaged_evals_never_end_in_a_traceback(tmp_path):
    path = registry(tmp_path, "basic.match:Match", args="    num_few_shot: 1\n    few_shot_jsonl: x/s.jsonl\n")
    samples = tmp_path / "data" / "x" / "s.jsonl"
    sound = (path.read_bytes(), samples.read_bytes())
    for seed in range(50):
        chosen = random.Random(seed)
        for file, content in zip((path, samples), sound, strict=True):
            raw = bytearray(content)
            for _ in range(chosen.randint(0, 3)):
                at = chosen.randrange(len(raw))
                raw[at : at + chosen.randint(0, 9)] = chosen.choice(
                    [b"", b"null", b"[", b"{", b"\xff", b'"', b"0", b": "]
                )
            file.write_bytes(raw)
        try:
            write_suite(read(path, AS_THEY_ARE), tmp_path / str(seed))
        except EvalkitError:
            continue
