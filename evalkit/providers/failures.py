"""From an HTTP error response to a `CallError`: what kind of failure it is and how long to wait.

Vendors wrap the same facts differently: `{"error": {...}}`, a flat `{"object": "error", ...}`, `{"detail": [...]}`,
`{"message": ...}` or plain text. All are read here, leniently.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
from collections.abc import Mapping

from evalkit.errors import CallError, ErrorKind
from evalkit.providers.http import HttpAnswer
from evalkit.types import Json

_BY_STATUS = {
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.AUTH,
    404: ErrorKind.NOT_FOUND,
    408: ErrorKind.SERVER,
    409: ErrorKind.SERVER,
    425: ErrorKind.SERVER,
    429: ErrorKind.RATE_LIMIT,
    529: ErrorKind.RATE_LIMIT,
}
# 429s that mean money, not speed: waiting does not help.
_QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "enforced_spend_limit_reached",
    }
)
_MAX_MESSAGE = 300


def failure(answer: HttpAnswer) -> CallError:
    """Describe an error response. A redirect is one: following it would send the key to a host nobody named."""
    if 300 <= answer.status < 400:
        target = answer.headers.get("location", "another address").partition("?")[0]
        message = f"the server redirects to {target}; if that is right, make it the base_url"
        return CallError(ErrorKind.NOT_FOUND, message[:_MAX_MESSAGE], status=answer.status)
    return describe(answer.status, _error_object(answer.body), answer.headers)


def describe(status: int, error: Mapping[str, Json], headers: Mapping[str, str]) -> CallError:
    """Describe an error object, wherever it was found.

    Args:
        status: HTTP status; for an error inside a 200, the code that the object carries.
        error: the object, with what it has of `message`, `code`, `type`.
        headers: of the response.
    """
    message = str(error.get("message") or error.get("detail") or f"HTTP {status}")
    param = error.get("param")
    return CallError(
        _kind(status, error),
        message[:_MAX_MESSAGE],
        status=status,
        retry_after_s=retry_after(headers),
        param=param if isinstance(param, str) else None,
    )


def _kind(status: int, error: Mapping[str, Json]) -> ErrorKind:
    if {str(error.get("code")), str(error.get("type"))} & _QUOTA_CODES:
        return ErrorKind.QUOTA
    if status >= 500 and status != 529:
        return ErrorKind.SERVER
    return _BY_STATUS.get(status, ErrorKind.INVALID_REQUEST if status >= 400 else ErrorKind.MALFORMED)


def _error_object(body: bytes) -> Mapping[str, Json]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {"message": body[:_MAX_MESSAGE].decode("utf-8", "replace").strip()}
    if not isinstance(data, dict):
        return {"message": str(data)}
    error = data.get("error") or data
    return error if isinstance(error, dict) else {"message": str(error)}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how long a server asks us to wait, in seconds: `retry-after-ms`, or `retry-after` as seconds or a date."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return max(0.0, milliseconds / 1000)
    text = headers.get("retry-after")
    if (seconds := _number(text)) is not None:
        return max(0.0, seconds)
    try:
        when = email.utils.parsedate_to_datetime(text or "")
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return max(0.0, (when - dt.datetime.now(dt.UTC)).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if value < float("inf") else None
