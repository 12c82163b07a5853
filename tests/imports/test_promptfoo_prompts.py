"""promptfoo's prompts as ours: texts, files, chats of several vendors, Nunjucks as Jinja2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from promptfoo_config import imported, lost, remarks, written

from evalkit.suite.render import Renderer

TESTS = "providers: [openai:gpt-4o]\ntests: [{vars: {q: hi, names: [{a: 1}], deep: {x: [5, 6]}}}]\n"


def prompts(folder: Path, given: Any, files: dict[str, str] | None = None, tests: str = TESTS) -> Any:
    return imported(folder, f"prompts: {json.dumps(given)}\n{tests}", files)


def said(draft: Any, folder: Path) -> list[list[tuple[str, Any]]]:
    """What each prompt asks of the first case."""
    suite = written(draft, folder)
    rendered = [Renderer(prompt, suite.vars).sketch(suite.cases[0]) for prompt in suite.prompts]
    return [[(message.role, message.content) for message in messages] for messages in rendered]


def test_prompts_are_texts_labels_and_files(tmp_path: Path) -> None:
    given = ["Say {{q}}", {"label": "Mine", "raw": "Tell {{q}}"}, {"id": "file://p.txt"}, "more.md", "file://d/*.txt"]
    files = {
        "p.txt": "One {{q}}\n---\nTwo {{q}}\n\n---\n\n",
        "more.md": "# Head\n---\nstays",
        "d/x.txt": "X",
        "d/y.txt": "Y",
    }
    draft = prompts(tmp_path, given, files)
    assert [prompt.name for prompt in draft.prompts] == ["prompt-1", "Mine", "p", "p-2", "more", "x", "y"]
    assert [one[0][1] for one in said(draft, tmp_path)] == [
        "Say hi",
        "Tell hi",
        "One hi",
        "Two hi",
        "# Head\n---\nstays",
        "X",
        "Y",
    ]


def test_an_old_mapping_names_prompts(tmp_path: Path) -> None:
    draft = prompts(tmp_path, {"file://p.txt": "first"}, {"p.txt": "One"})
    assert [prompt.name for prompt in draft.prompts] == ["first"]


CHAT = [{"role": "system", "content": "Be {{q}}"}, {"role": "user", "content": "Say {{q}}"}]
CHAT_SAID = [("system", "Be hi"), ("user", "Say hi")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.json", json.dumps(CHAT)),
        ("c.yaml", "- role: system\n  content: Be {{q}}\n- role: user\n  content: Say {{q}}\n"),
        ("c.jsonl", json.dumps(CHAT)),
        ("c.txt", json.dumps(CHAT)),
        ("c.json", '[{"role": "system", "content": "Be {{q}}"}, {"role": "user", "content": {{ "Say " + q | dump }}}]'),
        (
            "c.json",
            """[{"role": "system", "content": "Be {{q}}"},
            {% for n in names %}{"role": "user", "content": {{ ("Say " ~ q) | dump }} },{% endfor %}]""",
        ),
    ],
)
def test_chats_keep_their_roles(tmp_path: Path, name: str, content: str) -> None:
    draft = prompts(tmp_path, [f"file://{name}"], {name: content})
    assert lost(draft) == []
    assert said(draft, tmp_path) == [CHAT_SAID]


def test_a_chat_can_stand_in_the_config(tmp_path: Path) -> None:
    draft = prompts(
        tmp_path, [json.dumps(CHAT), "- role: system\n  content: Be {{q}}\n- role: user\n  content: Say {{q}}"]
    )
    assert said(draft, tmp_path) == [CHAT_SAID, CHAT_SAID]


def test_values_in_a_template_of_json_stay_whole(tmp_path: Path) -> None:
    message = '{"role": "{{role}}", "content": {{text | dump}} },'
    content = f"[{{% for m in past %}}{{% for role, text in m %}}{message}{{% endfor %}}{{% endfor %}}]"
    tests = 'providers: [echo]\ntests: [{vars: {past: [{user: "a \\"b\\"\\n"}, {assistant: "{% c %}"}]}}]\n'
    draft = prompts(tmp_path, ["file://p.json"], {"p.json": content}, tests)
    assert said(draft, tmp_path) == [[("user", 'a "b"\n'), ("assistant", "{% c %}")]]
    assert any("filled in at import" in words for words in remarks(draft))


PICTURE = "https://example.com/{{q}}.png"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": PICTURE}},
        {"type": "image_url", "image_url": PICTURE},
        {"type": "input_image", "image_url": PICTURE},
        {"type": "image", "source": {"type": "url", "url": PICTURE}},
        {"modality": "image", "value": {"type": "url", "url": PICTURE}},
    ],
)
def test_pictures_are_shown(tmp_path: Path, part: dict[str, Any]) -> None:
    draft = prompts(
        tmp_path, [json.dumps([{"role": "user", "content": [{"type": "text", "text": "See {{q}}"}, part]}])]
    )
    assert draft.prompts[0].messages == ({"user": [{"text": "See {{q}}"}, {"image": PICTURE}]},)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "{{q}}"}},
        {"modality": "image", "value": {"type": "base64", "media_type": "png", "base64": "{{q}}"}},
        {"inline_data": {"mime_type": "image/png", "data": "{{q}}"}},
    ],
)
def test_pictures_can_be_data(tmp_path: Path, part: dict[str, Any]) -> None:
    draft = prompts(
        tmp_path, [json.dumps([{"role": "model", "parts": [{"text": "a"}]}, {"role": "user", "content": [part]}])]
    )
    assert draft.prompts[0].messages == (
        {"assistant": "a"},
        {"user": [{"image": "data:image/png;base64,{{q}}"}]},
    )


NUNJUCKS = [
    ("{{ q | dump }}", '"hi"'),
    ("{{ names.length }}", "1"),
    ("{{ deep.x[1] }}", "6"),
    ("{% if q === 'hi' %}yes{% elseif q %}no{% endif %}", "yes"),
    ("{% if q !== 'hi' %}yes{% else %}no{% endif %}", "no"),
    ("{% for k, v in deep %}{{k}}{% endfor %}", "x"),
    ("{% for a, b in [[1, 2]] %}{{a}}-{{b}}{% endfor %}", "1-2"),
    ("{{ q | upper }} {{ q | safe }} {{ 'a === b' }}", "HI hi a === b"),
    ("{{ q.toUpperCase() }} {{ ' x '.trim() }} {{ q.split('i')[0] }}", "HI x h"),
    ("{% raw %}{{ q }}{% endraw %}", "{{ q }}"),
    ("a {# not shown #}b", "a b"),
]


def test_nunjucks_becomes_jinja(tmp_path: Path) -> None:
    draft = prompts(tmp_path, [nunjucks for nunjucks, _ in NUNJUCKS])
    assert said(draft, tmp_path) == [[("user", text)] for _, text in NUNJUCKS]


NOT_CARRIED = [
    ("file://prompt.js", "is a program"),
    ("file://prompt.py:make", "is a program"),
    ("langfuse://x@production", "kept elsewhere"),
    ("file://none.txt", "is not there"),
    ("{{ q | myfilter }}", "no equal"),
    ("{{ env.KEY }}", "reads the environment"),
    ("{% if %}", "no equal"),
    ("{{ q.slice(0, 1) }}", "calls `.slice()`"),
    ('[{"role": "tool", "content": "x"}]', "role 'tool'"),
    ('[{"role": "user", "content": [{"type": "input_audio", "data": "x"}]}]', "input_audio"),
    ('[{"role": "user"}]', "without text"),
    ({"label": "x"}, "no text"),
    (7, "no text"),
]


def test_what_cannot_be_carried_over_is_named(tmp_path: Path) -> None:
    draft = prompts(tmp_path, [given for given, _ in NOT_CARRIED])
    for (_, words), message in zip(NOT_CARRIED, lost(draft), strict=True):
        assert words in message
        assert any(message in todo for todo in draft.todo)
    assert draft.prompts[0].todo
    written(draft, tmp_path)  # with a prompt to be written anew


def test_a_part_of_a_var_that_a_test_lacks_is_blank(tmp_path: Path) -> None:
    tests = "providers: [echo]\ntests: [{vars: {o: [1, 2]}}, {vars: {q: b}}]\n"
    draft = prompts(tmp_path, ["{{o[0]}}-{{o[1]}}{{who.name}}"], tests=tests)
    assert draft.settings["vars"] == {"o": ["", ""], "who": {"name": ""}}
    suite = written(draft, tmp_path)
    sketches = [Renderer(suite.prompts[0], suite.vars).sketch(case)[0].content for case in suite.cases]
    assert sketches == ["1-2", "-"]


def test_a_var_that_some_tests_lack_is_blank(tmp_path: Path) -> None:
    tests = "providers: [echo]\ntests: [{vars: {q: a}}, {vars: {r: b}}]\n"
    draft = prompts(tmp_path, ["{{q}}{{r}}"], tests=tests)
    assert draft.settings["vars"] == {"q": "", "r": ""}
    assert len(remarks(draft)) == 2
    assert said(draft, tmp_path) == [[("user", "a")]]


def test_a_config_of_all_prompts_is_the_suites(tmp_path: Path) -> None:
    one = {"raw": "A", "label": "a", "config": {"temperature": 0.5}}
    draft = prompts(tmp_path, [one, {**one, "label": "b"}])
    assert draft.settings["params"] == {"temperature": 0.5}
    other = prompts(tmp_path, [one, "B"])
    assert "a `config` of its own" in lost(other)[0]


def test_a_default_stays_where_it_is(tmp_path: Path) -> None:
    draft = prompts(tmp_path, ["{{ tone | default('kind') }} {% if extra is defined %}{{ q }}{% endif %}"])
    assert "vars" not in draft.settings or "tone" not in draft.settings["vars"]
    assert said(draft, tmp_path) == [[("user", "kind ")]]


def test_lists_that_are_shown_are_remarked(tmp_path: Path) -> None:
    draft = prompts(tmp_path, ["{{ deep.x }} {{ names | length }}"])
    assert [words for words in remarks(draft) if "written as JSON" in words] == [
        "the list or mapping `deep` is written as JSON; in promptfoo a list is written with commas"
    ]
