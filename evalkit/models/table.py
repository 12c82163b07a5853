"""The provider table: data that tells one OpenAI-compatible vendor from the next."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from evalkit.yaml12 import load


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """What the adapter of a provider needs to know; providers.yaml explains the columns."""

    protocol: str
    requires: tuple[str, ...]
    base_url: str | None = None
    api_key_env: str | None = None
    max_tokens_field: str = "max_tokens"
    seed_field: str = "seed"
    self_hosted: bool = False
    stream_usage: bool = True


def provider_table() -> dict[str, ProviderRow]:
    """Read the table that comes with the package."""
    text = resources.files("evalkit.models").joinpath("providers.yaml").read_text(encoding="utf-8")
    rows = load(text, path="providers.yaml").data
    return {name: ProviderRow(**{**row, "requires": tuple(row["requires"])}) for name, row in rows.items()}
