"""Rows without what looks like personal data: each piece has a placeholder, the same one wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from evalkit.sampling.personal import find_personal, mask

_Json: TypeAlias = Any


class Masker:
    """Puts placeholders such as [EMAIL_1] into rows, consistently over all of them."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def masked(self, value: _Json) -> _Json:
        """Mask the texts in a value, at any depth, and numbers that look like a card's or a phone's."""
        if isinstance(value, str):
            return mask(value, self._known)
        if isinstance(value, Mapping):
            return {key: self.masked(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.masked(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool) and find_personal(str(value)):
            return mask(str(value), self._known)
        return value

    @property
    def replaced(self) -> Mapping[str, int]:
        """How many different pieces of each kind were replaced."""
        return {kind: len(pieces) for kind, pieces in sorted(self._known.items())}
