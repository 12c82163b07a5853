"""A provider's `config` as a row of models.yaml: parameters, address, key, tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from evalkit.errors import ConfigError
from evalkit.imports.promptfoo.files import Files, is_reference
from evalkit.imports.promptfoo.nodes import Node, Notes
from evalkit.types import Json

_NUMBERS: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "topP": "top_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
_WHOLE: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "max_tokens",
            "maxTokens",
            "max_completion_tokens",
            "max_output_tokens",
            "maxOutputTokens",
            "max_new_tokens",
            "num_predict",
        ),
        "max_tokens",
    ),
    **dict.fromkeys(("top_k", "topK"), "top_k"),
    **dict.fromkeys(("seed", "random_seed"), "seed"),
}
_TEXTS: Final = {"stop": "stop", "stop_sequences": "stop", "stopSequences": "stop"}
_NESTED: Final = frozenset({"generationConfig", "inferenceConfig", "interfaceConfig"})
_KEYS: Final = frozenset({"apiKey", "api_key", "accessKeyId", "secretAccessKey", "sessionToken", "password", "token"})
_NO_MATTER: Final = frozenset(
    {"label", "showThinking", "cost", "basePath", "organization", "maxRetries", "omitDefaults", "verbose", "apiVersion"}
    | {"modalities", "response_modalities", "responseModalities", "safe_prompt", "store", "user", "metadata"}
)
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_RUN: Final = frozenset({"functionToolCallbacks", "functionToolStatefulApi", "mcp", "transformResponse"})
_VARIABLE: Final = re.compile(r"\s*\{\{-?\s*env\.([A-Za-z_]\w*)\s*-?\}\}\s*|\$\{?([A-Za-z_]\w*)\}?")
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET: Final = re.compile(r"auth|key|token|secret|cookie|password|signature", re.IGNORECASE)


@dataclass(slots=True)
class Settings:
    """What a provider's config says."""

    params: dict[str, Json] = field(default_factory=dict)
    row: dict[str, Json] = field(default_factory=dict)
    tools: Node | None = None
    tool_choice: Json = None
    instructions: Node | None = None


def read_config(config: Node | None, files: Files, notes: Notes) -> Settings:
    """Read a provider's `config`; what means nothing here is noted."""
    settings = Settings()
    for key, node in config.entries() if config is not None else ():
        if node.value is None:
            continue
        try:
            _read(key, node, settings, files, notes)
        except ConfigError as error:
            notes.lost(error.where or node.where, "provider", f"`{key}`: {error.message}", error.remedy or "")
    return settings


def _read(key: str, node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    value = node.value
    if key in _NESTED:
        inner = read_config(node, files, notes)
        settings.params |= inner.params
    elif key in _NUMBERS and isinstance(value, (int, float)) and not isinstance(value, bool):
        settings.params[_NUMBERS[key]] = value
    elif key in _WHOLE and isinstance(value, int) and not isinstance(value, bool):
        settings.params[_WHOLE[key]] = value
    elif key in _TEXTS and isinstance(value, (str, list)) and value:
        settings.params[_TEXTS[key]] = value
    elif key in _NO_MATTER:
        _unimportant(key, node, notes)
    elif key in _READERS:
        _READERS[key](node, settings, files, notes)
    elif key in _KEYS:
        _key(key, node, settings, notes)
    elif key in _RUN:
        notes.lost(node.where, "provider", f"`{key}` would have things run or fetched during the eval")
    else:
        words = f"`{key}` of the provider is not carried over"
        notes.remark(
            node.where, "provider", words, "put it under `params: {extra_body: ...}` if the server is to get it"
        )


def _unimportant(key: str, node: Node, notes: Notes) -> None:
    wanted = node.value if isinstance(node.value, list) else []
    if any(str(one).lower() in ("audio", "image") for one in wanted):
        notes.lost(node.where, "provider", f"`{key}`: answers other than text are not judged here")
    elif key != "label":
        notes.remark(node.where, "provider", f"`{key}` of the provider is not carried over")


def _key(key: str, node: Node, settings: Settings, notes: Notes) -> None:
    """Never copy a key; where it is read from the environment, name the variable."""
    named = _VARIABLE.fullmatch(node.value) if isinstance(node.value, str) else None
    if named and key in ("apiKey", "api_key", "token"):
        settings.row["api_key_env"] = named[1] or named[2]
        return
    remedy = "put it into the environment variable of the provider, or name another one under `api_key_env`"
    notes.remark(node.where, "provider", f"the literal `{key}` is not copied: keys do not belong into files", remedy)


def _address(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del files
    address = str(node.value).strip()
    if "{{" in address:
        notes.lost(node.where, "provider", "the address is read from the environment, which is never read here")
        return
    if "://" not in address:
        address = f"https://{address.strip('/')}/v1"
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname or parts.scheme not in ("http", "https") or parts.username or parts.password:
        notes.lost(node.where, "provider", "the address is none of a server, or carries a password")
        return
    settings.row["base_url"] = address.rstrip("/")


def _key_name(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del files, notes
    if isinstance(node.value, str) and _ENV_NAME.fullmatch(node.value):
        settings.row["api_key_env"] = node.value


def _headers(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del files
    kept: dict[str, Json] = {}
    for name, inner in node.entries():
        if _SECRET.search(name) or "{{" in str(inner.value):
            notes.remark(inner.where, "provider", f"the header `{name}` is not copied: it may carry a key")
        elif isinstance(inner.value, (str, int, float)):
            kept[name] = str(inner.value)
    if kept:
        settings.row["headers"] = kept


def _timeout(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del files, notes
    if isinstance(node.value, (int, float)) and node.value > 0:
        settings.row["timeout_s"] = node.value / 1000


def _region(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del files, notes
    if isinstance(node.value, str) and "{{" not in node.value:
        settings.row["region"] = node.value


def _tools(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del files, notes
    settings.tools = node


def _choice(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del files
    value = node.value
    inner = value.get("function", value) if isinstance(value, Mapping) else None
    name = inner.get("name") if isinstance(inner, Mapping) else value
    words = {"any": "required", "auto": "auto", "none": "none", "required": "required"}
    if isinstance(name, str):
        settings.tool_choice = words.get(name, name)
    elif isinstance(value, Mapping) and str(value.get("type")) in words:
        settings.tool_choice = words[str(value["type"])]
    else:
        notes.lost(node.where, "provider", "this choice of a tool has no equal")


def _format(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    value = files.resolved(node).value
    if isinstance(value, str) and value in ("text", "json_object"):
        settings.params["response_format"] = value
        return
    if value == "json_schema":
        return  # the schema follows as `responseSchema`
    if not isinstance(value, Mapping):
        raise ConfigError("what is wanted is not understood", where=node.where)
    kind = value.get("type")
    if kind in ("text", "json_object"):
        settings.params["response_format"] = kind
    elif kind == "json_schema":
        settings.params["response_format"] = _schema_format(value)
    elif kind == "object":
        notes.remark(node.where, "provider", "a bare JSON Schema as `response_format`: it is sent as `json_schema`")
        settings.params["response_format"] = _schema_format({"name": "answer", "schema": dict(value), "strict": True})
    else:
        raise ConfigError("what is wanted is not understood", where=node.where)


def _schema_format(value: Mapping[str, Json]) -> Json:
    """OpenAI's spelling; the schema may stand under `json_schema`, or beside `type`."""
    inner = value.get("json_schema", value)
    if not isinstance(inner, Mapping):
        return {"type": "json_schema"}
    kept = {key: inner[key] for key in ("name", "description", "strict", "schema") if key in inner}
    return {"type": "json_schema", "json_schema": {"name": "answer", **kept}}


def _response_schema(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del notes
    value = files.resolved(node).value
    if not isinstance(value, Mapping):
        raise ConfigError("the schema is none", where=node.where)
    inner = value if "schema" in value else {"schema": value}
    settings.params["response_format"] = _schema_format(inner)


def _effort(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del files
    value = node.value.get("effort") if isinstance(node.value, Mapping) else node.value
    if value in _EFFORTS:
        settings.params["reasoning_effort"] = value
    else:
        notes.remark(node.where, "provider", "how much the model is to think is not understood")


def _thinking(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del files
    value = node.value if isinstance(node.value, Mapping) else {}
    budget = value.get("budget_tokens", value.get("thinkingBudget"))
    if isinstance(budget, int) and budget >= 0:
        settings.params["thinking_budget"] = budget
    elif value.get("type") == "disabled":
        settings.params["thinking_budget"] = 0
    else:
        notes.remark(node.where, "provider", "how much the model is to think is not understood")


def _logprobs(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del files, notes
    if isinstance(node.value, bool):
        settings.params["logprobs"] = node.value


def _body(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del files
    kept = {name: inner.value for name, inner in node.entries() if not _SECRET.search(name)}
    if len(kept) != len(dict(node.entries())):
        notes.remark(node.where, "provider", "what may be a key is not copied")
    if kept:
        settings.params["extra_body"] = kept


def _instructions(node: Node, settings: Settings, files: Files, notes: Notes) -> None:
    del notes
    found = files.resolved(node) if is_reference(node.value) else node
    if isinstance(found.value, str):
        settings.instructions = node.with_value(found.value)


_Reader = Callable[[Node, Settings, Files, Notes], None]
_READERS: Final[Mapping[str, _Reader]] = {
    "apiBaseUrl": _address,
    "apiHost": _address,
    "baseUrl": _address,
    "baseURL": _address,
    "apiKeyEnvar": _key_name,
    "headers": _headers,
    "timeoutMs": _timeout,
    "timeout": _timeout,
    "region": _region,
    "tools": _tools,
    "functions": _tools,
    "tool_choice": _choice,
    "toolChoice": _choice,
    "function_call": _choice,
    "response_format": _format,
    "responseFormat": _format,
    "responseSchema": _response_schema,
    "reasoning_effort": _effort,
    "reasoning": _effort,
    "thinking": _thinking,
    "thinkingConfig": _thinking,
    "logprobs": _logprobs,
    "passthrough": _body,
    "extra_body": _body,
    "instructions": _instructions,
    "systemInstruction": _instructions,
    "system": _instructions,
}
