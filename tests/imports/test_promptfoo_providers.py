"""promptfoo's providers as rows of models.yaml; keys are never copied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from promptfoo_config import config, imported, lost, remarks, written

from evalkit.imports.options import ImportOptions
from evalkit.imports.promptfoo import read
from evalkit.models.config import load_models


def providers(folder: Path, *given: Any, files: dict[str, str] | None = None) -> Any:
    return imported(
        folder, json.dumps({"prompts": ["{{q}}"], "providers": given, "tests": [{"vars": {"q": "x"}}]}), files
    )


def rows(draft: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in draft.models.values()]


ROWS = [
    ("openai:gpt-4o", {"provider": "openai", "model": "gpt-4o"}),
    ("openai:chat:ft:gpt-4o:me", {"provider": "openai", "model": "ft:gpt-4o:me"}),
    ("openai:responses:gpt-5", {"provider": "openai", "model": "gpt-5"}),
    ("anthropic:messages:claude-x", {"provider": "anthropic", "model": "claude-x"}),
    ("google:gemini-2.5-flash", {"provider": "gemini", "model": "gemini-2.5-flash"}),
    ("vertex:gemini-2.5-pro", {"provider": "gemini", "model": "gemini-2.5-pro"}),
    ("mistral:mistral-small", {"provider": "mistral", "model": "mistral-small"}),
    ("groq:llama-3", {"provider": "groq", "model": "llama-3"}),
    ("deepseek:deepseek-chat", {"provider": "deepseek", "model": "deepseek-chat"}),
    ("openrouter:meta/llama:free", {"provider": "openrouter", "model": "meta/llama:free"}),
    ("togetherai:chat:meta/llama", {"provider": "together", "model": "meta/llama"}),
    ("ollama:chat:llama3.3", {"provider": "ollama", "model": "llama3.3"}),
    ("ollama:llama3:8b", {"provider": "ollama", "model": "llama3:8b"}),
    ("localai:chat:phi", {"provider": "vllm", "model": "phi", "base_url": "http://127.0.0.1:8080/v1"}),
    ("replicate:meta/llama", {"provider": "replicate", "model": "meta/llama"}),
    (
        "bedrock:anthropic.claude-v2:1",
        {"provider": "bedrock", "model": "anthropic.claude-v2:1", "region": "us-east-1"},
    ),
    ("bedrock:converse:x", {"provider": "bedrock", "model": "x", "region": "us-east-1"}),
    ("adaline:google:chat:gemini-x", {"provider": "gemini", "model": "gemini-x"}),
    (
        "xai:grok-4",
        {"provider": "openai", "model": "grok-4", "base_url": "https://api.x.ai/v1", "api_key_env": "XAI_API_KEY"},
    ),
]


def test_a_provider_becomes_a_row(tmp_path: Path) -> None:
    draft = providers(tmp_path, *(name for name, _ in ROWS))
    assert lost(draft) == []
    assert rows(draft) == [row for _, row in ROWS]
    written(draft, tmp_path)
    assert len(load_models(tmp_path / "imported" / "models.yaml")) == len(ROWS)


@pytest.mark.parametrize(
    "name",
    [
        "file://provider.py",
        "file://provider.mjs",
        "python:provider.py",
        "exec:./run.sh",
        "https://example.com/chat",
        "websocket",
        "browser",
        "slack:C1",
        "promptfoo:simulated-user",
        "openai:completion:davinci",
        "openai:image:dall-e",
        "vertex:claude-3",
        "huggingface:text-generation:x",
        "nobody:x",
        "openai:chat:{{env.MODEL}}",
        "openai:",
        "file://none.yaml",
        {"config": {}},
        7,
        None,
    ],
)
def test_a_provider_without_equal_is_named(tmp_path: Path, name: Any) -> None:
    draft = providers(tmp_path, name, "openai:gpt-4o")
    assert len(lost(draft)) == 1
    [note] = [note for note in draft.notes if note.lost]
    assert note.kind == "provider"
    assert note.remedy
    assert list(draft.models) == ["gpt-4o"]
    assert any(note.message in words for words in draft.todo)


def test_configs_become_parameters(tmp_path: Path) -> None:
    given = {
        "id": "openai:chat:gpt-4o",
        "label": "My model (1)",
        "config": {
            "temperature": 0,
            "max_tokens": 10,
            "top_p": 0.5,
            "seed": 1,
            "stop": ["x"],
            "reasoning_effort": "low",
            "response_format": {"type": "json_object"},
            "apiHost": "proxy.example.com",
            "apiKeyEnvar": "PROXY_KEY",
            "headers": {"X-Team": "evals", "X-Api-Key": "sk-secret"},
            "passthrough": {"logit_bias": {"1": 2}, "token": "sk-secret"},
            "timeoutMs": 5000,
            "odd": True,
        },
    }
    draft = providers(tmp_path, given)
    assert lost(draft) == []
    assert dict(draft.models) == {
        "My-model-1": {
            "provider": "openai",
            "model": "gpt-4o",
            "base_url": "https://proxy.example.com/v1",
            "api_key_env": "PROXY_KEY",
            "headers": {"X-Team": "evals"},
            "timeout_s": 5.0,
            "params": {
                "temperature": 0,
                "max_tokens": 10,
                "top_p": 0.5,
                "seed": 1,
                "stop": ["x"],
                "reasoning_effort": "low",
                "response_format": "json_object",
                "extra_body": {"logit_bias": {"1": 2}},
            },
        }
    }
    assert any("`odd`" in words for words in remarks(draft))
    assert "sk-secret" not in repr(draft)
    written(draft, tmp_path)


def test_a_key_is_never_copied(tmp_path: Path) -> None:
    literal = {"id": "openai:gpt-4o", "config": {"apiKey": "sk-secret", "apiBaseUrl": "https://proxy.example.com/v1"}}
    named = {"id": "openai:gpt-4.1", "config": {"apiKey": "{{env.MY_KEY}}"}}
    draft = providers(tmp_path, literal, named)
    assert "sk-secret" not in repr(draft)
    assert "api_key_env" not in rows(draft)[0]
    assert rows(draft)[1]["api_key_env"] == "MY_KEY"
    assert any("is not copied" in words for words in remarks(draft))
    assert any("no key goes to https://proxy.example.com/v1" in words for words in remarks(draft))


def test_answers_in_json_are_asked_for(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
    from_file = {"id": "openai:a", "config": {"response_format": "file://schema.json"}}
    bare = {"id": "openai:b", "config": {"response_format": schema}}
    adaline = {
        "id": "adaline:openai:chat:c",
        "config": {"responseFormat": "json_schema", "responseSchema": {"name": "n", "strict": True, "schema": schema}},
    }
    missing = {"id": "openai:d", "config": {"response_format": "file://none.json"}}
    draft = providers(tmp_path, from_file, bare, adaline, missing, files={"schema.json": json.dumps(wanted)})
    formats = [row.get("params", {}).get("response_format") for row in rows(draft)]
    assert formats[0] == formats[2] == wanted
    assert formats[1]["json_schema"] == {"name": "answer", "schema": schema, "strict": True}
    assert len(lost(draft)) == 1
    assert "none.json" in lost(draft)[0]


def test_azure_has_an_address(tmp_path: Path) -> None:
    draft = providers(tmp_path, {"id": "azure:chat:dep", "config": {"apiHost": "x.openai.azure.com"}})
    assert rows(draft) == [{"provider": "azure", "model": "dep", "base_url": "https://x.openai.azure.com/openai/v1"}]
    assert len(lost(providers(tmp_path, "azure:chat:dep"))) == 1


def test_files_of_providers_are_read(tmp_path: Path) -> None:
    files = {
        "one.yaml": "id: openai:gpt-4o\nconfig: {temperature: 0}\n",
        "more.yaml": "- id: groq:x\n- file://one.yaml\n",
        "loop.yaml": "- file://loop.yaml\n",
    }
    draft = providers(tmp_path, "file://one.yaml", "file://more.yaml", files=files)
    assert lost(draft) == []
    assert list(draft.models) == ["gpt-4o", "x", "gpt-4o-2"]
    assert draft.models["gpt-4o"]["params"] == {"temperature": 0}
    assert len(lost(providers(tmp_path, "file://loop.yaml", files=files))) == 1


TOOL = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}


@pytest.mark.parametrize(
    "tools",
    [
        [{"type": "function", "function": TOOL}],
        [{"type": "function", "definition": {"schema": TOOL}}],
        [{"name": "f", "description": "d", "input_schema": TOOL["parameters"]}],
        [
            {
                "functionDeclarations": [
                    {**TOOL, "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}},
                ]
            }
        ],
        "file://tools.json",
        ["file://tools.yaml"],
    ],
)
def test_tools_are_the_suites(tmp_path: Path, tools: Any) -> None:
    files = {"tools.json": json.dumps([TOOL]), "tools.yaml": json.dumps(TOOL)}
    draft = providers(tmp_path, {"id": "openai:a", "config": {"tools": tools, "tool_choice": "required"}}, files=files)
    assert lost(draft) == []
    assert draft.settings["tools"] == [TOOL]
    assert draft.settings["tool_choice"] == "required"


def test_tools_of_one_provider_only_are_lost(tmp_path: Path) -> None:
    with_tools = {"id": "openai:a", "config": {"tools": [{"type": "function", "function": TOOL}]}}
    assert "not those of the other providers" in lost(providers(tmp_path, with_tools, "openai:b"))[0]
    search = {"id": "openai:a", "config": {"tools": [{"googleSearch": {}}]}}
    assert "no function of the user's" in lost(providers(tmp_path, search))[0]


def test_instructions_of_all_are_the_system_message(tmp_path: Path) -> None:
    one = {"id": "openai:responses:a", "config": {"instructions": "Be {{kind}}."}}
    draft = providers(tmp_path, one, {**one, "id": "openai:responses:b"})
    assert draft.prompts[0].messages[0] == {"system": "Be {{kind}}."}
    assert "instructions of its own" in lost(providers(tmp_path, one, "openai:b"))[0]


@pytest.mark.parametrize("key", ["functionToolCallbacks", "mcp", "transformResponse"])
def test_what_would_be_run_is_lost(tmp_path: Path, key: str) -> None:
    assert key in lost(providers(tmp_path, {"id": "openai:a", "config": {key: {"x": "file://y.js"}}}))[0]


def test_a_transform_of_all_providers_is_done_before_judging(tmp_path: Path) -> None:
    content = {
        "prompts": ["{{q}}"],
        "providers": [{"id": "openai:a", "transform": "output.trim()"}],
        "tests": [{"vars": {"q": "x"}, "assert": [{"type": "equals", "value": "y"}]}],
    }
    draft = imported(tmp_path, json.dumps(content))
    assert draft.scorers == ({"one_of": ["y"]},)
    content["providers"].append("openai:b")  # type: ignore[attr-defined]
    assert "a `transform` of its own" in lost(imported(tmp_path, json.dumps(content)))[0]


def test_other_candidates_can_be_named(tmp_path: Path) -> None:
    path = config(tmp_path, "prompts: [x]\nproviders: [slack:C1]\ntests: [{vars: {q: x}}]\n")
    draft = read(path, ImportOptions(models=("openai:gpt-4o",)))
    assert lost(draft) == []
    assert [row["provider"] for row in rows(draft)] == ["openai"]


JUDGED = "prompts: ['{{q}}']\ntests: [{vars: {q: x}, assert: [{type: llm-rubric, value: Is kind}]}]\n"


def test_without_any_provider_there_is_something_to_run(tmp_path: Path) -> None:
    suite = written(imported(tmp_path, JUDGED), tmp_path)
    assert suite.models == ("smollm2-135m",)


def test_a_program_is_to_be_written_where_no_provider_came_along(tmp_path: Path) -> None:
    """Neither the judge nor another model is asked in the place of them all."""
    draft = imported(tmp_path, JUDGED + "providers: [file://mine.py, 'openai:embedding:e']\n")
    suite = written(draft, tmp_path)
    assert suite.models == ("to-do",)
    models = load_models(tmp_path / "imported" / "models.yaml")
    assert models["to-do"].provider == "python"
    program = (tmp_path / "imported" / "to_do.py").read_text()
    told: dict[str, Any] = {}
    exec(compile(program, "to_do.py", "exec"), told)
    with pytest.raises(NotImplementedError, match="name models in"):
        told["answer"]([])


@pytest.mark.parametrize(
    ("config", "params"),
    [
        ({"generationConfig": {"temperature": 0.5, "maxOutputTokens": 5}}, {"temperature": 0.5, "max_tokens": 5}),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, {"thinking_budget": 100}),
        ({"thinking": {"type": "disabled"}}, {"thinking_budget": 0}),
        ({"reasoning": {"effort": "high"}}, {"reasoning_effort": "high"}),
        ({"logprobs": True}, {"logprobs": True}),
        ({"response_format": "json_object"}, {"response_format": "json_object"}),
        ({"response_format": {"type": "text"}}, {"response_format": "text"}),
    ],
)
def test_other_spellings_of_parameters(tmp_path: Path, config: Any, params: Any) -> None:
    draft = providers(tmp_path, {"id": "anthropic:x", "config": config})
    assert rows(draft)[0]["params"] == params


@pytest.mark.parametrize(
    "config",
    [
        {"apiBaseUrl": "{{env.URL}}"},
        {"apiBaseUrl": "http://me:secret@example.com"},
        {"apiBaseUrl": "http://[x"},
        {"response_format": {"type": "grammar"}},
        {"response_format": 7},
        {"responseSchema": 7},
        {"modalities": ["text", "audio"]},
    ],
)
def test_what_cannot_be_sent_is_lost(tmp_path: Path, config: Any) -> None:
    draft = providers(tmp_path, {"id": "openai:x", "config": config})
    assert len(lost(draft)) == 1
    assert "secret@" not in json.dumps(rows(draft))


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [("auto", "auto"), ({"type": "any"}, "required"), ({"type": "function", "function": {"name": "f"}}, "f")],
)
def test_a_choice_of_tools(tmp_path: Path, choice: Any, wanted: str) -> None:
    draft = providers(tmp_path, {"id": "openai:a", "config": {"tools": [TOOL], "tool_choice": choice}})
    assert draft.settings["tool_choice"] == wanted


def test_prompts_of_a_provider_are_remarked(tmp_path: Path) -> None:
    draft = providers(tmp_path, {"id": "openai:a", "prompts": ["p"], "delay": 5, "env": {"KEY": "sk-secret"}, "odd": 1})
    assert len(remarks(draft)) == 4
    assert "sk-secret" not in repr(draft.models) + repr(draft.notes)
