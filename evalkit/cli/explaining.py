"""What `--explain` prints: the words of what was just shown, in plain ones."""

from __future__ import annotations

from rich.text import Text

from evalkit.cli.screen import Console
from evalkit.report.glossary import terms_in


def explain(text: str, *, aside: bool = False) -> None:
    """Print what the terms of a report mean.

    Args:
        text: the report, as markdown.
        aside: print to standard error, as standard output is for a program.
    """
    console = Console(stderr=aside)
    for index, term in enumerate(terms_in(text)):
        if index == 0:
            console.print(Text("\nWhat the words mean", "bold"))
        console.print(Text(f"{term.name}: ", "bold").append(term.meaning, "not bold"))
