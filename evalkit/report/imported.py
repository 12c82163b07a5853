"""What a reader must know of a run whose models another tool asked."""

from __future__ import annotations

from collections.abc import Callable

from evalkit.report.markup import code, plain
from evalkit.runner.manifest import Manifest

_SHOWN = 12
"""Characters shown of a file's SHA-256."""
_THEIRS = "it asked the models and judged their answers"


def imported_line(manifest: Manifest, quoted: Callable[[str], str] = str) -> str:
    """Say where a run was imported from and what its figures then mean; nothing for a run of evalkit's own.

    Args:
        manifest: of the run.
        quoted: makes a text of the source's safe to print.
    """
    source = manifest.imported
    if source is None:
        return ""
    judged = "it asked the models; their answers were judged anew" if manifest.rescored_at else _THEIRS
    return (
        f"Imported from {quoted(source.source)}, results of {quoted(source.tool)}: {judged}. "
        "Times are as it took them, tokens and costs as it said them."
    )


def imported_section(manifest: Manifest) -> list[str]:
    """The same as lines of markdown."""
    line = imported_line(manifest, plain)
    return [line, ""] if line else []


def imported_fact(manifest: Manifest) -> str:
    """Which file it was, for whoever wants to find it again."""
    source = manifest.imported
    if source is None:
        return ""
    return f"from {code(source.source)}, SHA-256 {code(source.sha256[:_SHOWN])}, results of {plain(source.tool)}"
