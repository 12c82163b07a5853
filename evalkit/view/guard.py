"""Who may read: one who came by the printed address, on this machine, with a browser that no other site steers."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from html import escape
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN: Final = "token"  # noqa: S105 - the parameter's name
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_REFUSED: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>evalkit view</title>'
    "<p>This page needs the address that <code>evalkit view</code> printed, with its token.</p>"
    '<p>Did you come by a link of a report, or from another page? Then <a id="again" href="?{}">go on</a>.</p></html>'
)
"""A browser keeps the cookie back where another page led here; a click on this page's own link does not."""
_AGAIN: Final = "again"
"""Part of that link: to a browser, a link to the same address is to ask once more in the same way."""


class Guard:
    """Lets through what carries the token, and gives every answer headers that confine it.

    The token comes in the address once; then a cookie has it, which no script and no other site can use.

    Args:
        app: what is guarded.
        token: the secret.
        hosts: what the Host header may say, so that no name of another site can be made to lead here.
        cookie: the cookie's name; cookies know no ports, so two apps need two names.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str], cookie: str) -> None:
        self._app = app
        self._token = token
        self._hosts = frozenset(hosts)
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return
        answer = self._refusal(scope) or self._app

        async def confined(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await answer(scope, receive, confined)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return PlainTextResponse("This is not the host you look for.\n", 421)
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("Read only.\n", 405, {"allow": "GET, HEAD"})
        given = parse_qs(scope["query_string"].decode("latin-1")).get(TOKEN, [])
        if any(map(self._is_token, given)):
            return self._admission()
        return None if self._is_token(HTTPConnection(scope).cookies.get(self._cookie, "")) else _refused(scope)

    def _admission(self) -> Response:
        """Have the token kept, and out of the address, its history and what is read over a shoulder."""
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
        return answer

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self._token.encode())


def _refused(scope: Scope) -> Response:
    parts = [part for part in scope["query_string"].decode("latin-1").split("&") if part]
    if parts[-1:] == [_AGAIN]:
        parts.pop()
    else:
        parts.append(_AGAIN)
    return HTMLResponse(_REFUSED.format(escape("&".join(parts))), 403)
