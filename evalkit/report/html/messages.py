"""The messages that a case was asked with: its prompts, filled in again from what the run keeps of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, get_args

from evalkit.errors import ConfigError
from evalkit.runner.manifest import Manifest, ManifestPrompt
from evalkit.types import Case, Message, Prompt, PromptTurn, Role

if TYPE_CHECKING:
    from evalkit.suite.render import Renderer

_INSERTED: Final = "messages"
"""Stands in a manifest for the role of what a var's list of messages is put in for."""


class Sent:
    """Fills the prompts of a run.

    Pictures are told by their place alone. A prompt that cannot be filled has no messages: runs of older releases do
    not know what their cases share.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._renderers = dict(_renderers(manifest))

    def messages(self, case: Case) -> Mapping[str, Sequence[tuple[str, str]]]:
        """By prompt, every message's role and text. What a script says in its turns is not among these."""
        found: dict[str, list[tuple[str, str]]] = {}
        for name, renderer in self._renderers.items():
            try:
                found[name] = [(one.role, _text(one)) for one in renderer.sketch(case)]
            except ConfigError:
                continue
        return found


def _renderers(manifest: Manifest) -> Iterator[tuple[str, Renderer]]:
    from evalkit.suite.render import Renderer

    for prompt in manifest.prompts:
        if prompt.template:
            try:
                yield prompt.name, Renderer(_prompt(prompt), manifest.vars)
            except ConfigError:
                continue


def _prompt(told: ManifestPrompt) -> Prompt:
    return Prompt(told.name, tuple(_turn(role, text) for role, text in told.template), told.fingerprint)


def _turn(role: str, text: str) -> PromptTurn:
    if role == _INSERTED:
        return PromptTurn(None, insert=text)
    return PromptTurn(next((known for known in get_args(Role) if known == role), None), text)


def _text(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part if isinstance(part, str) else f"[image: {part.url}]" for part in message.content)
