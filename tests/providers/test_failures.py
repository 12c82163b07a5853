"""Error responses of every vendor's shape, told apart by what can be done about them."""

from __future__ import annotations

import datetime as dt
import email.utils
import json

import httpx
import pytest

from evalkit.errors import ErrorKind
from evalkit.providers.failures import failure, retry_after
from evalkit.providers.http import HttpAnswer


def answered(status, body=b"", headers=None):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return failure(HttpAnswer(status, httpx.Headers(headers or {}), content, 1.0))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, ErrorKind.MALFORMED),
        (400, ErrorKind.INVALID_REQUEST),
        (401, ErrorKind.AUTH),
        (402, ErrorKind.QUOTA),
        (403, ErrorKind.AUTH),
        (404, ErrorKind.NOT_FOUND),
        (408, ErrorKind.SERVER),
        (409, ErrorKind.SERVER),
        (413, ErrorKind.INVALID_REQUEST),
        (422, ErrorKind.INVALID_REQUEST),
        (425, ErrorKind.SERVER),
        (429, ErrorKind.RATE_LIMIT),
        (499, ErrorKind.INVALID_REQUEST),
        (500, ErrorKind.SERVER),
        (502, ErrorKind.SERVER),
        (503, ErrorKind.SERVER),
        (504, ErrorKind.SERVER),
        (524, ErrorKind.SERVER),
        (529, ErrorKind.RATE_LIMIT),
    ],
)
def test_a_status_alone_decides_what_kind_it_is(status, kind):
    error = answered(status)
    assert (error.kind, error.status, error.message) == (kind, status, f"HTTP {status}")


def test_only_what_may_pass_is_tried_again():
    assert {status for status in range(400, 600) if answered(status).kind.retryable} == {
        408,
        409,
        425,
        429,
        *range(500, 600),
    }
    assert {status for status in range(400, 600) if answered(status).kind.fatal} == {401, 402, 403, 404}


@pytest.mark.parametrize(
    "error",
    [
        {"message": "m", "type": "insufficient_quota", "code": "insufficient_quota"},
        {"message": "m", "type": "insufficient_quota", "code": "credit_balance_exhausted"},
        {"message": "m", "type": "x", "code": "organization_spend_limit_exceeded"},
        {"message": "m", "code": "project_spend_limit_exceeded"},
        {"message": "m", "code": "organization_usage_limit_exceeded"},
        {"message": "m", "type": "enforced_spend_limit_reached"},
    ],
)
def test_a_429_about_money_is_not_waited_for(error):
    assert answered(429, {"error": error}).kind is ErrorKind.QUOTA


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "slow_down", None, 429, ["insufficient_quota"]])
def test_a_429_about_speed_is(code):
    assert answered(429, {"error": {"message": "m", "code": code}}).kind is ErrorKind.RATE_LIMIT


@pytest.mark.parametrize(
    ("body", "message"),
    [
        # OpenAI, DashScope, Together, vLLM, llama.cpp
        ({"error": {"message": "bad", "type": "t", "param": None, "code": None}}, "bad"),
        ({"error": {"code": 400, "message": "bad", "type": "exceed_context_size_error", "n_ctx": 512}}, "bad"),
        # OpenRouter
        ({"error": {"code": 400, "message": "bad", "metadata": {}}, "user_id": "u"}, "bad"),
        # SGLang, Mistral
        ({"object": "error", "message": "bad", "type": "t", "param": None, "code": 400}, "bad"),
        # Ollama
        ({"error": "bad"}, "bad"),
        # Cohere
        ({"message": "bad", "id": "1"}, "bad"),
        # RFC 7807
        ({"type": "about:blank", "title": "Bad", "status": 400, "detail": "bad"}, "bad"),
        # FastAPI
        ({"detail": "bad"}, "bad"),
        ({"error": None, "message": "bad"}, "bad"),
        ({"error": {}, "message": "bad"}, "bad"),
        ("bad", "bad"),
        (b"bad\n", "bad"),
        (b"", "HTTP 400"),
        ({}, "HTTP 400"),
        ({"error": {}}, "HTTP 400"),
        (b"\xff\xfe bad", "\ufffd\ufffd bad"),
    ],
)
def test_the_servers_own_words_are_found_in_every_shape(body, message):
    assert answered(400, body).message == message


def test_a_list_of_faults_is_shown():
    body = {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}]}
    assert "Extra inputs are not permitted" in answered(422, body).message


@pytest.mark.parametrize(
    "body", [[], 7, None, [{"error": "bad"}], {"error": ["bad"]}, {"error": {"message": {"a": 1}}}]
)
def test_odd_bodies_do_no_harm(body):
    assert answered(400, body).kind is ErrorKind.INVALID_REQUEST


@pytest.mark.parametrize("body", [b"x" * 10_000, {"error": {"message": "x" * 10_000}}, b"[" * 100_000])
def test_messages_are_kept_short(body):
    assert len(answered(500, body).message) == 300


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_says_where_to_and_what_to_do(status):
    error = answered(status, b"<html>", {"location": "https://other.example/v1/chat/completions?token=abc"})
    assert error.kind is ErrorKind.NOT_FOUND
    assert "https://other.example/v1/chat/completions;" in error.message
    assert "base_url" in error.message
    assert "token" not in error.message


def test_a_redirect_to_nowhere_is_told_too():
    assert "redirects" in answered(304).message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "nan", "retry-after": "1"}, 1.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after-ms": "-5"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-inf"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1, 2"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 99999 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 +9999"}, None),
    ],
)
def test_how_long_the_server_asks_us_to_wait(headers, seconds):
    assert retry_after(httpx.Headers(headers)) == seconds
    assert answered(429, headers=headers).retry_after_s == seconds


def test_a_date_in_the_future_is_waited_for():
    when = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60), usegmt=True)
    seconds = retry_after({"retry-after": when})
    assert seconds is not None
    assert 55 < seconds <= 60
