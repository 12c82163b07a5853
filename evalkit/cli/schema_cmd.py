"""`evalkit schema`: the JSON Schemas of what users write, for editors."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """The files that there are schemas of."""

    SUITE = "suite"
    PROMPT = "prompt"
    MODELS = "models"


def schema(
    kind: Annotated[Kind, typer.Argument(help="The kind of file: suite, prompt or models.", show_default=False)],
) -> None:
    """Print the JSON Schema of a kind of file.

    An editor that knows YAML completes and checks by it: evalkit schema suite > suite.schema.json, and in the suite's
    first line: # yaml-language-server: $schema=suite.schema.json
    """
    import json

    from evalkit.cli.printed import Printed
    from evalkit.models.config import models_schema
    from evalkit.models.table import provider_table
    from evalkit.suite.schema import prompt_schema, suite_schema

    schemas = {
        Kind.SUITE: suite_schema(),
        Kind.PROMPT: prompt_schema(),
        Kind.MODELS: models_schema(provider_table()),
    }
    printed = Printed()
    printed.write(json.dumps(schemas[kind], indent=2, ensure_ascii=False) + "\n")
    printed.close()
