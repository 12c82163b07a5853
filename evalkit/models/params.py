"""Sampling and output parameters: the suite's and the model's, settled into what is sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from evalkit.errors import ConfigError
from evalkit.types import Json, Model


def effective_params(model: Model, suite_params: Mapping[str, Json], output_schema: Json | None) -> Model:
    """Return the model with its parameters in force.

    The model's row overrides the suite's, and null there means: do not send. `response_format: json_schema` becomes the
    suite's output schema.

    Raises:
        ConfigError: the model is to be held to a schema that the suite does not have.
    """
    merged = {**suite_params, **model.params}
    params = {name: value for name, value in merged.items() if value is not None}
    if params.get("response_format") == "json_schema":
        if output_schema is None:
            raise ConfigError(
                f"model {model.name!r} has `response_format: json_schema`, but the suite has no `output_schema`",
                where=model.where,
                remedy="add `output_schema:` to the suite, or leave the model out",
            )
        schema = {"name": "output", "schema": output_schema, "strict": True}
        params["response_format"] = {"type": "json_schema", "json_schema": schema}
    return dataclasses.replace(model, params=params)
