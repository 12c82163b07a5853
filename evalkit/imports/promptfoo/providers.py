"""Providers as rows of models.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from evalkit.errors import ConfigError
from evalkit.imports.promptfoo.files import Files, is_code, is_reference
from evalkit.imports.promptfoo.nodes import Node, Notes
from evalkit.imports.promptfoo.params import Settings, read_config
from evalkit.imports.promptfoo.templates import is_template
from evalkit.imports.promptfoo.vendors import ECHO, OTHERWISE, REMEDIES, VENDORS, Vendor
from evalkit.imports.values import plain_name
from evalkit.types import Json

_KNOWN: Final = frozenset({"id", "label", "config", "env", "delay", "prompts", "transform", "inputs"})
_REGION: Final = "us-east-1"
_ECHO: Final = (
    "import json, sys; said = json.load(sys.stdin)['messages'][-1]['content']; "
    "sys.stdout.write(said if isinstance(said, str) else json.dumps(said))"
)
_AZURE: Final = "https://YOUR-RESOURCE.openai.azure.com/openai/v1"


@dataclass(frozen=True, slots=True)
class ReadModel:
    """A provider as a row; `embeds` where it gives embeddings, `live` where its answers are objects with a `text`."""

    name: str
    row: dict[str, Json]
    node: Node
    settings: Settings = field(default_factory=Settings)
    transform: Node | None = None
    embeds: bool = False
    live: bool = False


class NoSuchProviderError(ValueError):
    """A provider that has no equal; the message says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str = OTHERWISE) -> None:
        super().__init__(message)
        self.remedy = remedy


def read_providers(config: Node, files: Files, notes: Notes) -> list[ReadModel]:
    """Read a config's providers; what has no equal is noted."""
    given = config.get("providers") or config.get("targets")
    models: list[ReadModel] = []
    for node in _entries(given, files, notes) if given is not None else ():
        model = provider(node, files, notes)
        notes.count("providers", carried=model is not None)
        if model is not None:
            models.append(model)
    return _with_own_names(models)


def provider(node: Node, files: Files, notes: Notes) -> ReadModel | None:
    """Read one provider; None, with a note, where it has no equal."""
    try:
        return _provider(node, files, notes)
    except NoSuchProviderError as error:
        notes.lost(node.where, "provider", str(error), error.remedy)
    except ConfigError as error:
        notes.lost(error.where or node.where, "provider", error.message, error.remedy or OTHERWISE)
    return None


def _entries(given: Node, files: Files, notes: Notes) -> Iterator[Node]:
    """Each provider: of a list, of the files named in it, of a mapping with the id as its only key."""
    for node in given.items():
        if is_reference(node.value) and not is_code(node.value):
            try:
                yield from _entries(files.resolved(node), files, notes)
            except ConfigError as error:
                notes.lost(error.where or node.where, "provider", error.message, error.remedy or OTHERWISE)
                notes.count("providers", carried=False)
            except RecursionError:
                notes.lost(node.where, "provider", "files of providers name each other")
        else:
            yield node


def _provider(node: Node, files: Files, notes: Notes) -> ReadModel:
    name, body = _id_of(node)
    _remark_unknown(body, notes)
    if name in ECHO:
        row: dict[str, Json] = {"provider": "command", "command": ["python3", "-c", _ECHO]}
        return ReadModel(_label(body) or "echo", row, node)
    vendor_name, _, rest = name.removeprefix("adaline:").partition(":")
    vendor = VENDORS.get(vendor_name)
    if vendor is None or is_code(name):
        scheme = "file" if is_code(name) else vendor_name
        raise NoSuchProviderError(f"the provider {name[:100]!r} has no equal", REMEDIES.get(scheme, OTHERWISE))
    kind, model = _kind(vendor, rest)
    embeds = kind in vendor.embeddings or "embed" in model or vendor_name == "voyage"
    config = body.get("config") if body is not None else None
    model = model or (config.text("model") if config is not None else None) or ""
    _check(name, vendor_name, vendor, kind, model)
    _remark(name, vendor, kind, node, notes)
    settings = read_config(config, files, notes)
    row = _row(vendor, model, settings, node, notes)
    transform = body.get("transform") if body is not None else None
    return ReadModel(_label(body) or model, row, node, settings, transform, embeds, kind == "live")


def _id_of(node: Node) -> tuple[str, Node | None]:
    """A provider's id, and what else is said of it."""
    if isinstance(node.value, str):
        return node.value, None
    if isinstance(node.value, Mapping):
        name = node.text("id")
        if name is not None:
            return name, node
        if len(node.value) == 1:
            key, body = next(node.entries())
            return key, body if isinstance(body.value, Mapping) else None
    raise NoSuchProviderError("a provider without an `id`")


def _label(body: Node | None) -> str | None:
    return body.text("label") if body is not None else None


def _remark_unknown(body: Node | None, notes: Notes) -> None:
    for key, inner in body.entries() if body is not None else ():
        if key not in _KNOWN:
            notes.remark(inner.where, "provider", f"`{key}` of the provider is not carried over")
        elif key == "prompts":
            words = "here every model is asked every prompt"
            notes.remark(inner.where, "provider", words, "choose with `evalkit run -m MODEL -p PROMPT`")
        elif key == "env":
            notes.remark(inner.where, "provider", "`env` is not copied: keys do not belong into files")
        elif key == "delay":
            notes.remark(inner.where, "provider", "`delay` is not carried over", "see `limits: {rpm: ...}`")


def _kind(vendor: Vendor, rest: str) -> tuple[str, str]:
    """The word before the model's id, where there is one."""
    first, colon, more = rest.partition(":")
    words = vendor.kinds | vendor.embeddings | set(vendor.strange)
    if first in words:
        return first, more if colon else ""
    return "", rest


def _check(name: str, vendor_name: str, vendor: Vendor, kind: str, model: str) -> None:
    if is_template(name) or is_template(model):
        raise NoSuchProviderError(f"{name[:100]!r} is read from the environment", "name the model in models.yaml")
    if kind in vendor.strange and vendor.strange[kind] is None:
        raise NoSuchProviderError(f"{name[:100]!r}: no {kind} API is spoken here")
    if vendor_name == "vertex" and model.startswith("claude"):
        raise NoSuchProviderError(
            f"{name[:100]!r}: Claude on Vertex AI is not spoken", "name it as `provider: anthropic`"
        )
    if vendor_name == "huggingface" and kind != "chat":
        raise NoSuchProviderError(f"{name[:100]!r}: of Hugging Face only the chat API is spoken")
    if not model:
        raise NoSuchProviderError(f"{name[:100]!r} names no model")


def _remark(name: str, vendor: Vendor, kind: str, node: Node, notes: Notes) -> None:
    strange = vendor.strange.get(kind)
    words = [vendor.remark, strange or ""]
    if kind == "responses":
        words.append("the Responses API becomes chat completions")
    for one in filter(None, words):
        notes.remark(node.where, "provider", f"{name}: {one}")


def _row(vendor: Vendor, model: str, settings: Settings, node: Node, notes: Notes) -> dict[str, Json]:
    row: dict[str, Json] = {"provider": vendor.provider, "model": model, **(vendor.row or {}), **settings.row}
    if vendor.provider == "azure":
        host = str(settings.row.get("base_url", "")).removesuffix("/v1")
        row["base_url"] = f"{host}/openai/v1" if host else _AZURE
        if not host:
            notes.lost(
                node.where, "provider", "the address of the Azure resource is not in the config", "set `base_url`"
            )
    if vendor.provider == "bedrock":
        row.setdefault("region", _REGION)
    else:
        row.pop("region", None)
    if "base_url" in settings.row and "api_key_env" not in row and vendor.provider == "openai":
        words = f"no key goes to {row['base_url']}, as none is named for it"
        notes.remark(node.where, "provider", words, "name the variable that holds it under `api_key_env`")
    if settings.params:
        row["params"] = dict(settings.params)
    return row


def _with_own_names(models: list[ReadModel]) -> list[ReadModel]:
    taken: set[str] = set()
    named = []
    for model in models:
        name = own_name(model.name, taken)
        named.append(replace(model, name=name))
    return named


def own_name(text: str, taken: set[str]) -> str:
    """Make a name that a row can have and none has yet; adds it to those taken."""
    stem = plain_name(text) or "model"
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    taken.add(name)
    return name


def same(one: Json, other: Json) -> bool:
    """Whether two values are the same as JSON."""
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)
