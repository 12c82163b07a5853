from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from evalkit.models.config import models_schema
from evalkit.models.hosts import is_loopback, url_problem
from evalkit.models.table import provider_table

TABLE = provider_table()


@pytest.mark.parametrize("name", TABLE)
def test_a_row_is_complete(name):
    row = TABLE[name]
    assert row.protocol in {"openai", "local", "python"}
    assert row.requires
    if row.base_url is not None:
        assert url_problem(row.base_url) is None
        assert is_loopback(row.base_url) == row.self_hosted
        assert row.base_url.startswith("https://") or row.self_hosted
        assert (row.api_key_env is None) == row.self_hosted


def test_no_two_vendors_share_a_key():
    keys = [row.api_key_env for row in TABLE.values() if row.api_key_env]
    assert len(keys) == len(set(keys))


def test_the_published_schema_is_a_schema_and_knows_every_provider():
    schema = models_schema(TABLE)
    Draft202012Validator.check_schema(schema)
    assert set(schema["$defs"]["model"]["properties"]["provider"]["enum"]) == set(TABLE)
