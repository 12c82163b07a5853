"""The language of a text, as py3langid guesses it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

_LONG = 1000
_NAMES = {"zxx": "none"}
"""What py3langid calls by a code that nobody knows: texts without any words of a language."""


def detector() -> Callable[[str], str] | None:
    """Return what tells a text's language (ISO 639-1, or "none"); None where py3langid is not installed."""
    if importlib.util.find_spec("py3langid") is None:
        return None
    from py3langid import classify

    def detect(text: str) -> str:
        code = str(classify(text[:_LONG])[0])
        return _NAMES.get(code, code)

    return detect
