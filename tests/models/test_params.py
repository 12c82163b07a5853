from __future__ import annotations

import pytest

from evalkit.errors import ConfigError, Location
from evalkit.models.params import effective_params
from evalkit.types import Model

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def settle(params, suite=None, schema=None):
    model = Model("m", "openai", "openai", params=params, where=Location("models.yaml", 2, 3))
    return dict(effective_params(model, suite or {}, schema).params)


def test_the_models_row_overrides_the_suite():
    assert settle({"temperature": 1}, {"temperature": 0, "max_tokens": 5}) == {"temperature": 1, "max_tokens": 5}


def test_null_means_do_not_send():
    assert settle({"temperature": None}, {"temperature": 0, "seed": 1, "stop": None}) == {"seed": 1}


def test_zero_and_empty_are_values():
    assert settle({"temperature": 0, "extra_body": {}}) == {"temperature": 0, "extra_body": {}}


def test_the_suites_schema_is_sent_in_the_wire_format():
    sent = settle({"response_format": "json_schema"}, schema=SCHEMA)["response_format"]
    assert sent == {"type": "json_schema", "json_schema": {"name": "output", "schema": SCHEMA, "strict": True}}


def test_a_schema_alone_holds_no_model_to_it():
    assert settle({}, schema=SCHEMA) == {}


@pytest.mark.parametrize("wanted", ["text", "json_object", {"type": "grammar", "grammar": "root ::= x"}])
def test_other_response_formats_are_left_as_they_are(wanted):
    assert settle({"response_format": wanted}, schema=SCHEMA) == {"response_format": wanted}


def test_a_missing_schema_is_found_before_any_call():
    with pytest.raises(ConfigError, match="no `output_schema`") as caught:
        settle({"response_format": "json_schema"})
    assert str(caught.value.where) == "models.yaml:2:3"
    assert "output_schema" in (caught.value.remedy or "")


def test_a_model_can_opt_out_of_the_suites_schema():
    assert settle({"response_format": None}, {"response_format": "json_schema"}) == {}
