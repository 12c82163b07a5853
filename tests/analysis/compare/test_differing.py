from dataclasses import replace

import pytest

from evalkit.analysis.compare.differing import Changed, changed_model, changed_prompt, changed_run
from evalkit.runner.manifest import Load, Manifest, ManifestModel, ManifestPrompt, ManifestSuite, Selection
from evalkit.types import Gpu, Price

MODEL = ManifestModel("m", "openai", "f1", model="gpt", params={"temperature": 0, "stop": ["a"]}, price=Price(1.0, 2.0))
RUN = Manifest(
    run_id="r",
    created_at="2030-01-01T00:00:00+00:00",
    evalkit="0.1.0",
    suite=ManifestSuite("s", "s.yaml", "", "a" * 64),
    models=(MODEL,),
    prompts=(),
    selection=Selection(3),
    git={"commit": "c" * 40, "modified": False},
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ()),
        ({"name": "other", "notes": ("hello",)}, ()),
        ({"model": "gpt-2"}, (Changed("model", "gpt", "gpt-2"),)),
        ({"params": {"temperature": 1, "stop": ["a"]}}, (Changed("params.temperature", "0", "1"),)),
        ({"params": {"temperature": 0, "stop": ["b"]}}, (Changed("params.stop", '["a"]', '["b"]'),)),
        ({"params": {"temperature": 0, "stop": ["a"], "top_p": 0.5}}, (Changed("params.top_p", None, "0.5"),)),
        ({"params": {"temperature": 0, "stop": ["a"], "name": "x"}}, (Changed("params.name", None, "x"),)),
        ({"price": Price(1.0, 3.0)}, (Changed("price.output", "2.0", "3.0"),)),
        ({"concurrency": 4, "fingerprint": "f2"}, (Changed("concurrency", "1", "4"),)),
        ({"fingerprint": "f2"}, (Changed("fingerprint", "f1", "f2"),)),
    ],
)
def test_settings_of_models_that_differ_are_named_one_by_one(change, expected):
    assert changed_model(MODEL, replace(MODEL, **change)) == expected


def test_a_part_that_is_only_there_on_one_side_has_no_value_on_the_other():
    with_gpu = replace(MODEL, gpu=Gpu(6.0, 4))
    assert Changed("gpu.usd_per_hour", None, "6.0") in changed_model(MODEL, with_gpu)


def test_a_long_value_is_clipped():
    (changed,) = changed_model(MODEL, replace(MODEL, base_url="x" * 500))
    assert changed.new == "x" * 200 + "..."


def test_a_prompt_is_compared_line_by_line_under_its_roles():
    old = ManifestPrompt("p", "1", template=(("system", "Be brief.\nBe kind."), ("user", "{{ q }}")))
    new = ManifestPrompt("p", "2", template=(("system", "Be brief.\nBe exact."), ("user", "{{ q }}")))
    diff = changed_prompt(old, new)
    assert not diff.alike
    assert diff.known
    assert [line for line in diff.lines if line[0] in "+-" and line[:3] not in {"+++", "---"}] == [
        "-Be kind.",
        "+Be exact.",
    ]
    assert " [system]" in diff.lines


@pytest.mark.parametrize(
    ("old", "new", "alike", "known"),
    [
        ((("user", "x"),), (("user", "x"),), True, True),
        ((), (("user", "x"),), False, False),
        ((), (), True, False),
    ],
)
def test_without_both_texts_only_the_fingerprints_tell(old, new, alike, known):
    diff = changed_prompt(
        ManifestPrompt("p", "1", template=old), ManifestPrompt("p", "1" if alike else "2", template=new)
    )
    assert (diff.alike, diff.known, diff.lines) == (alike, known, ())


def test_what_differs_between_runs_is_named():
    judge = ManifestModel("gpt-judge", "openai", "j1")
    now = replace(
        RUN,
        evalkit="0.2.0",
        suite=replace(RUN.suite, fingerprint="b" * 64),
        git={"commit": "c" * 40, "modified": True},
        threshold=0.5,
        judges=(judge,),
        load=Load(20.0),
    )
    assert changed_run(RUN, RUN) == ()
    assert changed_run(RUN, now) == (
        Changed("suite content", "a" * 12, "b" * 12),
        Changed("threshold", None, "0.5"),
        Changed("evalkit", "0.1.0", "0.2.0"),
        Changed("git commit", "c" * 12, "c" * 12 + " with changes"),
        Changed("calls per second", None, "20.0"),
        Changed("judge gpt-judge", None, "j1"),
    )
    assert changed_run(RUN, replace(RUN, git=None)) == (Changed("git commit", "c" * 12, None),)
