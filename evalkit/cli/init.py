"""`evalkit init`: a first suite that runs at once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class TaskKind(StrEnum):
    """The kinds of tasks that there are starters for."""

    CLASSIFY = "classify"
    EXTRACT = "extract"
    ANSWER = "answer"
    CHAT = "chat"


def init(
    folder: Annotated[Path, typer.Argument(help="The project's folder. Default: this one.", metavar="FOLDER")] = Path(),
    task: Annotated[
        TaskKind | None, typer.Option("--task", "-t", help="What the model is to do. Default: classify.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What to call the suite. Default: after the task.", metavar="NAME")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="A candidate as PROVIDER:MODEL, such as openai:gpt-4o-mini; repeatable. Default: smollm2-135m, on "
            "this machine. A baseline in Python is always among them.",
            metavar="MODEL",
        ),
    ] = None,
    pass_rate: Annotated[
        float | None,
        typer.Option("--pass-rate", help="What a candidate must reach to be recommended. Default: 0.9.", min=0, max=1),
    ] = None,
    workflow: Annotated[
        bool | None,
        typer.Option(
            "--ci/--no-ci", help="Write a GitHub workflow that guards prompts. Default: yes.", show_default=False
        ),
    ] = None,
    pull: Annotated[
        bool, typer.Option("--pull", help="Fetch the weights of smollm2-135m, 98 MB, if they lack.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; what is not given is the default.")] = False,
) -> None:
    """Write a suite with a dozen cases, its prompt, models.yaml and a CI workflow that run as they are.

    Asks five questions, or takes the flags; away from a terminal it asks nothing. Overwrites nothing: if a file is
    there already, it says which and stops; .gitignore and a models.yaml that is there only get lines added.
    """
    from evalkit.cli.starting import Answers, begin

    begin(
        folder, Answers(task.value if task else None, name, tuple(model or ()), pass_rate, workflow), pull, ask=not yes
    )
