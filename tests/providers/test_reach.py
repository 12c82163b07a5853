"""Whether servers are found, without a question to a model, and what their clocks say."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from chat_server import ChatServer, Reply

from evalkit.models.config import load_models
from evalkit.providers.reach import _ahead, reach

NOW = dt.datetime(2030, 1, 1, 12, 0, 0, tzinfo=dt.UTC)


def configured(tmp_path, rows):
    (tmp_path / "models.yaml").write_text("models:\n" + "".join(f"  {name}: {row}\n" for name, row in rows.items()))
    return load_models(tmp_path / "models.yaml").values()


def test_servers_are_found_and_nobody_is_asked(tmp_path, chat_server: ChatServer, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-0123456789")
    chat_server.models = Reply({"data": [{"id": "there"}]})
    place = f"base_url: '{chat_server.url}'"
    models = configured(
        tmp_path,
        {
            "own": f"{{provider: vllm, model: there, {place}}}",
            "absent": f"{{provider: vllm, model: absent, {place}}}",
            "vendor": f"{{provider: groq, model: x, {place}}}",
            "gone": "{provider: vllm, model: x, base_url: 'http://127.0.0.1:9/v1'}",
            "function": "{provider: python, function: x.py:x}",
        },
    )
    found = reach(
        dataclasses.replace(model, self_hosted=False) if model.name == "vendor" else model for model in models
    )
    by_name = {one.model: one for one in found}
    assert list(by_name) == ["own", "absent", "vendor", "gone"]
    assert by_name["own"].problem is None
    assert abs(by_name["own"].clock_s) < 5
    assert "does not serve 'absent'; it serves: there" in by_name["absent"].problem
    assert by_name["vendor"].problem is None
    assert "no answer from http://127.0.0.1:9/v1" in by_name["gone"].problem
    assert chat_server.calls == 0


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Tue, 01 Jan 2030 12:00:00 GMT", 0.5),
        ("Tue, 01 Jan 2030 12:02:00 GMT", 120.5),
        ("Tue, 01 Jan 2030 11:00:00 GMT", -3599.5),
        (None, None),
        ("today", None),
        ("Tue, 01 Jan 2030 12:00:00 -0000", None),
    ],
)
def test_a_date_header_tells_the_time(date, seconds):
    assert _ahead(date, NOW) == seconds
