"""Rows without what looks like personal data: each piece has a placeholder, the same one wherever it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from evalkit.sampling.personal import mask

_Json: TypeAlias = Any

_WORDS: Final = ("email", "key")
"""Kinds of which a known piece is looked for inside other words too."""


class Masker:
    """Puts placeholders such as [EMAIL_1] into rows, consistently over all of them.

    Args:
        values: what is going to be masked: a number or an address that has its form in one place is known in all.
    """

    def __init__(self, values: Iterable[_Json] = ()) -> None:
        self._known: dict[str, dict[str, str]] = {}
        for value in values:
            self.masked(value)

    def masked(self, value: _Json) -> _Json:
        """Mask the texts in a value, at any depth and names included, and numbers that look like a card's or a phone's.

        A value without any such thing is returned as it is.
        """
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self._text(key): self.masked(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)([self.masked(item) for item in value])
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._number(value)
        return value

    def _text(self, text: str) -> str:
        result = mask(text, self._known)
        small = result.casefold()
        for kind in _WORDS:
            for piece, placeholder in self._known.get(kind, {}).items():
                if piece.casefold() in small:
                    result = re.sub(re.escape(piece), placeholder, result, flags=re.IGNORECASE)
        return result

    def _number(self, value: float) -> _Json:
        if not -1e19 < value < 1e19:  # longer than a card's, or no number
            return value
        digits = str(int(value))
        masked = mask(digits, self._known) if int(value) == value else digits
        return value if masked == digits else masked

    @property
    def replaced(self) -> Mapping[str, int]:
        """How many different pieces of each kind were replaced."""
        return {kind: len(pieces) for kind, pieces in sorted(self._known.items())}
