"""Logs become suites: prompts, conversations and models come along; answers stay apart, keys behind."""

from __future__ import annotations

import json
import random

import pytest

from evalkit.errors import ConfigError, EvalkitError
from evalkit.imports.guess import guess
from evalkit.imports.logs import read
from evalkit.imports.options import AS_THEY_ARE, ImportOptions
from evalkit.imports.write import write_suite
from evalkit.suite import load_suite
from evalkit.types import MISSING

SYSTEM = "Route the {{mail}}.\nBe kind."
ASKED = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Where is my parcel?"}]
CHAT = {"model": "gpt-4o-mini", "temperature": 0, "messages": ASKED}
CHOICE = {"model": "gpt-4o-mini-2024", "choices": [{"message": {"role": "assistant", "content": "shipping"}}]}
HEADERS = {"Authorization": "Bearer sk-very-secret", "x-api-key": "sk-ant-very-secret"}
CLAUDE = {
    "model": "claude-sonnet-4",
    "max_tokens": 9,
    "system": [{"type": "text", "text": SYSTEM}],
    "messages": ASKED[1:],
}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "shipping"}]}
RESPONSES = {"model": "gpt-5", "instructions": SYSTEM, "input": "Where is my parcel?"}
OUTPUT = {"object": "response", "output": [{"type": "reasoning"}, {**SAID, "type": "message"}]}
OUTPUT["output"][1]["content"] = [{"type": "output_text", "text": "shipping"}]
MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": "Where is my parcel?"}]}]


def attribute(name, value):
    return {"key": name, "value": {"stringValue": value if isinstance(value, str) else json.dumps(value)}}


def otlp(*attributes, events=()):
    span = {"name": "chat", "spanId": "1f", "attributes": list(attributes), "events": list(events)}
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}


NEW_SPAN = otlp(
    attribute("gen_ai.operation.name", "chat"),
    attribute("gen_ai.provider.name", "anthropic"),
    attribute("gen_ai.request.model", "claude-sonnet-4"),
    attribute("gen_ai.system_instructions", [{"type": "text", "content": SYSTEM}]),
    attribute("gen_ai.input.messages", MESSAGES),
    attribute("gen_ai.output.messages", [{"role": "assistant", "parts": [{"type": "text", "content": "shipping"}]}]),
)
INDEXED_SPAN = otlp(
    attribute("gen_ai.system", "openai"),
    attribute("gen_ai.request.model", "gpt-4o"),
    attribute("gen_ai.prompt.0.role", "system"),
    attribute("gen_ai.prompt.0.content", SYSTEM),
    attribute("gen_ai.prompt.1.role", "user"),
    attribute("gen_ai.prompt.1.content", "Where is my parcel?"),
    attribute("gen_ai.completion.0.content", "shipping"),
)
EVENT_SPAN = otlp(
    attribute("gen_ai.operation.name", "chat"),
    attribute("gen_ai.request.model", "gpt-4o"),
    events=[
        {"name": "gen_ai.system.message", "attributes": [attribute("content", SYSTEM)]},
        {"name": "gen_ai.user.message", "attributes": [attribute("content", "Where is my parcel?")]},
        {"name": "gen_ai.choice", "attributes": [attribute("content", "shipping")]},
    ],
)
CHUNKS = [{"model": "gpt-4o-mini-2024", "choices": [{"delta": {"content": piece}}]} for piece in ("ship", "ping")]
STREAM = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in [*CHUNKS, {"choices": []}]) + "data: [DONE]\n"
DELTAS = [
    {"type": "message_start", "message": {"model": "claude-sonnet-4"}},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "shipping"}},
]
EVENTS = f"event: response.completed\ndata: {json.dumps({'type': 'response.completed', 'response': OUTPUT})}\n"
FORMS = {
    "OpenAI, streamed": {"request": {"body": CHAT}, "response": {"status": 200, "body": STREAM}},
    "OpenAI, in pieces": {"request": CHAT, "response": CHUNKS},
    "Anthropic, streamed": {"request": CLAUDE, "response": DELTAS},
    "Responses, streamed": {"request": RESPONSES, "response": EVENTS},
    "LiteLLM's table": {
        "request_id": "a",
        "custom_llm_provider": "openai",
        "messages": json.dumps(ASKED),
        "response": json.dumps(CHOICE),
        "model_parameters": {"temperature": 0},
    },
    "Langfuse": {"type": "GENERATION", "model": "gpt-4o", "input": {"messages": ASKED}, "output": "shipping"},
    "LangSmith": {"run_type": "llm", "inputs": {"messages": ASKED}, "outputs": CHOICE},
    "ShareGPT": {
        "conversations": [
            {"from": "system", "value": SYSTEM},
            {"from": "human", "value": "Where is my parcel?"},
            {"from": "gpt", "value": "shipping"},
        ]
    },
    "Gemini": {
        "model": "gemini-2.5-flash",
        "request": {
            "system_instruction": {"parts": [{"text": SYSTEM}]},
            "contents": [{"role": "user", "parts": [{"text": "Where is my parcel?"}]}],
            "generationConfig": {"maxOutputTokens": 9},
        },
        "response": {"candidates": [{"content": {"role": "model", "parts": [{"text": "shipping"}]}}]},
    },
    "Ollama": {"request": CHAT, "response": {"message": {"role": "assistant", "content": "shipping"}, "done": True}},
    "OpenAI": {"request": CHAT, "response": CHOICE},
    "OpenAI in a proxy": {
        "request": {"headers": HEADERS, "url": "https://x", "body": CHAT},
        "response": {"body": CHOICE},
    },
    "as texts": {"request_body": json.dumps(CHAT), "response_body": json.dumps(CHOICE)},
    "LiteLLM": {**CHAT, "response": CHOICE, "metadata": {"api_key": "sk-very-secret"}},
    "Responses": {"request": RESPONSES, "response": OUTPUT},
    "Anthropic": {"request": CLAUDE, "response": SAID},
    "Anthropic batch": {"custom_id": "a", "params": CLAUDE, "result": {"type": "succeeded", "message": SAID}},
    "fine-tuning": {"messages": [*ASKED, {"role": "assistant", "content": "shipping"}]},
    "spans": NEW_SPAN,
    "spans, indexed": INDEXED_SPAN,
    "spans with events": EVENT_SPAN,
    "a span": {
        "name": "chat",
        "attributes": {"gen_ai.request.model": "gpt-4o", "gen_ai.input.messages": [*ASKED[:1], *MESSAGES]},
        "events": [{"name": "gen_ai.choice", "attributes": {"content": "shipping"}}],
    },
}


GUESSED = sorted(FORMS.keys() - {"a span"})


def log(tmp_path, *rows, name="log.jsonl", **options):
    path = tmp_path / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return read(path, ImportOptions(**options))


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path, form):
    draft = log(tmp_path, FORMS[form])
    (case,) = draft.cases
    assert (case.vars, case.expected) == ({"message": "Where is my parcel?"}, MISSING)
    assert json.loads(draft.files["outputs.jsonl"])["output"] == "shipping"
    assert [note for note in draft.notes if note.lost] == []
    written = write_suite(draft, tmp_path / "out")
    assert written.problems == ()
    from evalkit.suite.render import Renderer

    suite = load_suite(written.suite)
    said = Renderer(suite.prompts[0], {}).messages(suite.cases[0])
    assert [(message.role, message.content) for message in said] == [
        ("system", SYSTEM),
        ("user", "Where is my parcel?"),
    ]
    everything = "".join(path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert "secret" not in everything
    assert "shipping" not in written.suite.read_text()


def test_models_that_were_asked_are_candidates(tmp_path):
    bodies = ("gpt-4o", "claude-x", "groq/llama-3", "my-own")
    draft = log(tmp_path, *({"request": {**CHAT, "model": model}} for model in bodies))
    assert draft.models == {
        "gpt-4o": {"provider": "openai", "model": "gpt-4o"},
        "claude-x": {"provider": "anthropic", "model": "claude-x"},
        "llama-3": {"provider": "groq", "model": "llama-3"},
        "my-own": {"provider": "openai", "model": "my-own"},
    }
    assert any("nothing says who serves 'my-own'" in note.message for note in draft.notes)


def test_rows_and_spans_say_when_they_were_asked(tmp_path):
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": MESSAGES}
    rows = [
        {"at": "2026-05-01", "request": CHAT, "response": CHOICE},
        {"custom_id": "a", "at": "2026-05-02", "body": CHAT},
        {"custom_id": "a", "at": "2026-05-03", "response": {"body": CHOICE}},
        {"spanId": "1", "at": "1777629600", "attributes": attributes},
        {"request": CHAT},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = {(1, "2026-05-01"), (2, "2026-05-02"), (4, "1777629600"), (5, None)}
    for options, lines in ((ImportOptions(time="at"), 5), (ImportOptions(time="at", expected_from_output=True), 2)):
        cases = read(tmp_path / "log.jsonl", options).cases
        assert {(case.at.where.line, case.at.value) for case in cases} == {one for one in found if one[0] <= lines}
    assert all(case.at is None for case in read(tmp_path / "log.jsonl", AS_THEY_ARE).cases)


def test_earlier_turns_stand_before_the_last_message(tmp_path):
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes?"},
        {"role": "user", "content": "no"},
    ]
    draft = log(tmp_path, {"request": CHAT}, {"request": {"messages": [*ASKED[:1], *turns]}})
    assert [case.vars["history"] for case in draft.cases] == [[], [{"user": "hi"}, {"assistant": "yes?"}]]
    assert draft.prompts[0].messages[1] == {"insert": "history"}
    assert write_suite(draft, tmp_path / "out").problems == ()


def test_different_system_prompts_stand_with_their_cases(tmp_path):
    draft = log(tmp_path, {"request": CHAT}, {"request": {"messages": [{"role": "user", "content": "x"}]}})
    assert [case.vars["history"] for case in draft.cases] == [[{"system": SYSTEM}], []]
    assert "different system prompts" in draft.prompts[0].todo[0]
    assert write_suite(draft, tmp_path / "out").problems == ()


def test_answers_count_as_right_only_if_asked_for(tmp_path):
    rows = [{"request": CHAT, "response": CHOICE}] * 4 + [{"request": CLAUDE, "response": {"content": []}}]
    draft = log(tmp_path, *rows, expected_from_output=True)
    assert [case.expected for case in draft.cases] == ["shipping"] * 4
    assert [note.lost for note in draft.notes if "mistakes included" in note.message] == [False]
    assert [note.message for note in draft.notes if note.lost] == [
        "its answer is not known, so nothing says what is right"
    ]


def test_ids_of_the_source_are_kept_where_they_differ(tmp_path):
    names = ("a", "request-3", "a", "x" * 300)
    draft = log(tmp_path, *({"id": name, "request": CHAT} for name in names))
    assert [case.id for case in draft.cases] == ["a", "request-3", "request-3-2", "request-4"]


def test_the_same_parameters_are_the_suites(tmp_path):
    assert log(tmp_path, {"request": CHAT}).settings == {"params": {"temperature": 0}}
    several = {**CHAT, "max_completion_tokens": 5, "stop": "\n", "seed": True, "response_format": {"type": "text"}}
    draft = log(tmp_path, {"request": several}, {"request": {**several, "temperature": 1, "top_p": 7}})
    assert draft.settings == {"params": {"max_tokens": 5, "stop": ["\n"]}}
    assert any("differ in temperature," in note.message for note in draft.notes)
    assert write_suite(draft, tmp_path / "out").problems == ()


def test_what_the_suite_does_not_set_is_told(tmp_path):
    begun = {**CLAUDE, "thinking": {"type": "enabled"}, "messages": [*ASKED[1:], {"role": "assistant", "content": "{"}]}
    text = {"format": {"type": "json_schema"}}
    draft = log(tmp_path, {"request": begun, "response": SAID}, {"request": {**RESPONSES, "text": text}})
    (words,) = [note.message for note in draft.notes if note.kind == "setting"]
    assert words.endswith("text.format, the beginning of the answer, thinking")
    assert json.loads(draft.files["outputs.jsonl"])["output"] == "shipping"


def test_answers_that_are_json_are_answers(tmp_path):
    draft = log(tmp_path, {"input": ASKED, "output": '{"queue": "shipping"}'})
    assert json.loads(draft.files["outputs.jsonl"])["output"] == '{"queue": "shipping"}'


@pytest.mark.parametrize(
    ("row", "model"),
    [
        (FORMS["Ollama"], {"provider": "ollama", "model": "gpt-4o-mini"}),
        (
            {"model": "bedrock/anthropic.x", "messages": ASKED},
            {"provider": "bedrock", "model": "anthropic.x", "region": "us-east-1"},
        ),
        ({**FORMS["LiteLLM's table"], "model": "m", "custom_llm_provider": "groq"}, {"provider": "groq", "model": "m"}),
    ],
)
def test_who_serves_a_model(tmp_path, row, model):
    draft = log(tmp_path, row)
    assert list(draft.models.values()) == [model]
    assert write_suite(draft, tmp_path / "out").problems == ()


def test_requests_and_answers_of_a_batch_are_joined(tmp_path):
    folder = tmp_path / "batch"
    folder.mkdir()
    (folder / "in.jsonl").write_text(
        "".join(json.dumps({"custom_id": name, "method": "POST", "body": CHAT}) + "\n" for name in "ab")
    )
    answer = {"id": "r", "custom_id": "b", "response": {"status_code": 200, "body": CHOICE}, "error": None}
    failed = {"id": "r", "custom_id": "a", "response": None, "error": {"code": "expired"}}
    rows = (answer, failed, {**answer, "custom_id": "c"})
    (folder / "out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ConfigError, match="3 answers without a request") as caught:
        read(folder / "out.jsonl", AS_THEY_ARE)
    assert "import their folder" in caught.value.remedy
    assert guess(str(folder)) == "logs"
    draft = read(folder, AS_THEY_ARE)
    assert [(share.found, share.carried) for share in draft.shares] == [(3, 2)]
    assert [case.id for case in draft.cases] == ["a", "b"]
    assert json.loads(draft.files["outputs.jsonl"]) == {"id": "b", "output": "shipping"}
    assert "1 answer without a request, such as 'c'" in [note.message for note in draft.notes if note.lost]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"request": {"messages": [*ASKED, {"role": "tool", "content": "x"}]}}, "calls of tools"),
        (
            {"request": {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}},
            "more than text: image_url",
        ),
        ({"request": {"model": "e", "input": "x"}, "response": {"object": "list"}}, "no answer in words"),
        ({"request": {"messages": [{"role": "wizard", "content": "x"}]}}, "nobody knows the role 'wizard'"),
        ({"request": {"messages": ["x"]}}, "no object"),
        ({"request": {"messages": [{"role": "assistant", "content": "x"}]}}, "nobody asks anything"),
        ({"response": CHOICE}, "an answer without its request"),
        ({"x": 1}, "no request in this row"),
        ({"url": "/v1/embeddings", "body": {"model": "e", "input": "x"}}, "no answer in words"),
        ({"request": {**RESPONSES, "previous_response_id": "r"}}, "goes on from an earlier answer"),
        ({"request": {"prompt": {"id": "p"}, "input": "x"}}, "its prompt is kept elsewhere"),
        ("[1]", "an object"),
        ("nope", "not JSON"),
        (otlp(attribute("gen_ai.operation.name", "chat")), "switched on"),
    ],
)
def test_requests_that_cannot_be_asked_again_are_lost_with_their_lines(tmp_path, row, words):
    draft = log(tmp_path, {"request": CHAT}, row)
    assert len(draft.cases) == 1
    (note,) = [note for note in draft.notes if note.lost]
    assert note.where.line == 2
    assert words in note.message
    assert [(share.found, share.carried) for share in draft.shares] == [(2, 1)]


def test_spans_of_other_things_are_no_calls(tmp_path):
    draft = log(
        tmp_path, NEW_SPAN, otlp(attribute("http.method", "GET")), otlp(attribute("gen_ai.operation.name", "x"))
    )
    assert len(draft.cases) == 1
    assert [note for note in draft.notes if note.lost] == []


def test_repeated_requests_and_tools_are_told(tmp_path):
    draft = log(tmp_path, {"request": CHAT}, {"request": {**CHAT, "tools": [{}]}})
    said = [note.message for note in draft.notes]
    assert "1 request word for word like an earlier one" in said
    assert "some requests set what the suite does not: tools" in said


def test_a_list_in_a_json_file(tmp_path):
    (tmp_path / "log.json").write_text(json.dumps({"data": [{"request": CHAT}]}, indent=1))
    assert len(read(tmp_path / "log.json", AS_THEY_ARE).cases) == 1
    (tmp_path / "log.json").write_text(json.dumps({"request": CHAT}) + "\n" + json.dumps({"request": CHAT}))
    assert len(read(tmp_path / "log.json", AS_THEY_ARE).cases) == 2


def test_nothing_to_read(tmp_path):
    with pytest.raises(ConfigError, match="no request can be read: there is no request"):
        log(tmp_path, {"x": 1})
    (tmp_path / "log.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"no \.json or \.jsonl"):
        read(tmp_path, AS_THEY_ARE)


def test_links_out_of_a_folder_are_not_followed(tmp_path):
    (tmp_path / "secret.jsonl").write_text(json.dumps({"request": CHAT}))
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(ConfigError, match=r"no \.json or \.jsonl"):
        read(folder, AS_THEY_ARE)


@pytest.mark.parametrize("form", GUESSED)
def test_logs_are_recognised(tmp_path, form):
    (tmp_path / "log.jsonl").write_text(json.dumps(FORMS[form]) + "\n")
    assert guess(str(tmp_path / "log.jsonl")) == "logs"


def test_conversations_with_labels_are_a_table(tmp_path):
    (tmp_path / "t.jsonl").write_text(json.dumps({"messages": ASKED, "label": "x"}) + "\n")
    assert guess(str(tmp_path / "t.jsonl")) == "table"


@pytest.mark.parametrize("form", FORMS)
def test_damaged_logs_never_end_in_a_traceback(tmp_path, form):
    path, raw = tmp_path / "log.jsonl", json.dumps(FORMS[form]).encode() * 2
    for seed in range(25):
        chosen = random.Random(seed)
        content = bytearray(raw)
        for _ in range(chosen.randint(1, 5)):
            at = chosen.randrange(len(content))
            content[at : at + chosen.randint(0, 9)] = chosen.choice(
                [b"", b"null", b"[", b"{", b"1e999", b"\xff", b'"', b"0"]
            )
        path.write_bytes(content)
        try:
            read(path, AS_THEY_ARE)
        except EvalkitError:
            continue


def _wrong(value, chosen):
    """Put a value of another type somewhere."""
    if chosen.random() < 0.15 or not isinstance(value, (dict, list)):
        return chosen.choice([None, 1, -1.5, True, "x", "[{", [], {}, [[]], [None], {"type": 1}, {"role": []}, value])
    if isinstance(value, dict):
        return {key: _wrong(item, chosen) if chosen.random() < 0.5 else item for key, item in value.items()}
    return [_wrong(item, chosen) if chosen.random() < 0.5 else item for item in value]


@pytest.mark.parametrize("form", FORMS)
def test_wrong_types_never_end_in_a_traceback(tmp_path, form):
    chosen = random.Random(1)
    rows = [{"request": CHAT}, *(_wrong(FORMS[form], chosen) for _ in range(200))]
    draft = log(tmp_path, *rows)
    assert write_suite(draft, tmp_path / "out").problems == ()
