"""HTTP for all providers: one timer, one deadline, one way to fail.

The client has httpx's interface over aiohttp's transport: with 64 requests in flight, httpx's own connection pool turns
a 200 ms server into a p95 of 1,400 ms (encode/httpx#3215), this transport into 216 ms.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
import os
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

import aiohttp
import httpx
from httpx_aiohttp import HttpxAiohttpClient

from evalkit.errors import CallError, ErrorKind
from evalkit.models.hosts import is_loopback
from evalkit.providers.connections import Connections, Pace
from evalkit.types import Json

MAX_BODY_BYTES = 64 * 1024 * 1024
# Most servers drop an idle connection after 5 s; a request sent at that very moment would be lost.
_KEEPALIVE_S = 3.0
# Shorter keys are stand-ins such as `EMPTY`; blanking them out could spoil an answer and protects nothing.
_SHORTEST_SECRET = 12
# In an error nothing is scored, so there a shorter one is blanked out too.
_SHORTEST_IN_ERROR = 4
_LIKELY_FAULTS = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError)


Watch: TypeAlias = Callable[[bytes, float], None]
"""Is shown a part of a response and when it arrived, milliseconds after the request was sent."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A response, read to its last byte.

    `latency_ms` runs from the start of the request to that byte; `queue_ms` is the wait for a connection before it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    latency_ms: float
    queue_ms: float = 0.0

    def json(self) -> Json:
        """Parse the body.

        Raises:
            CallError: it is not JSON (MALFORMED), with its beginning.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            start = self.body[:120].decode("utf-8", "replace").strip()
            raise CallError(ErrorKind.MALFORMED, f"the answer is not JSON: {start!r}", status=self.status) from None


class Network:
    """What all clients of a run share. TLS is always verified; proxies and CAs come from the usual variables."""

    def __init__(self) -> None:
        self._paces: defaultdict[str, Pace] = defaultdict(Pace)

    @functools.cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """Built once and only when needed: loading the certificates takes 20 ms."""
        return httpx.create_ssl_context()

    def client(
        self, base_url: str, headers: Mapping[str, str], *, key: str | None, timeout_s: float, connections: int
    ) -> HttpClient:
        """Open a client for one model. `key` is the secret among the headers: no answer or error will show it.

        Raises:
            CallError: the proxy settings of the environment cannot be used (CONNECTION).
        """
        local = is_loopback(base_url)
        try:
            client = HttpxAiohttpClient(
                headers={"user-agent": "evalkit", **headers},
                # Without TLS only towards this machine: a plain URL elsewhere may go through a proxy that speaks it.
                verify=False if local and urlsplit(base_url).scheme == "http" else self.ssl_context,
                trust_env=not local,  # a proxy must not come between us and this machine
                timeout=None,  # the deadline below covers the whole request, body included
                limits=httpx.Limits(
                    max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_KEEPALIVE_S
                ),
            )
        except (ValueError, httpx.InvalidURL) as error:
            message = f"the proxy settings (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY) cannot be used: {error}"
            raise CallError(ErrorKind.CONNECTION, message) from None
        pace = self._paces[urlsplit(base_url).netloc]
        return HttpClient(
            client, Connections(pace, most=connections, idle_s=_KEEPALIVE_S), base_url.rstrip("/"), timeout_s, key
        )


class HttpClient:
    """Requests to one base URL."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        connections: Connections,
        base_url: str,
        timeout_s: float,
        key: str | None = None,
    ) -> None:
        self._client = client
        self._connections = connections
        self.base_url = base_url
        self._timeout_s = timeout_s
        self._key = (key or "").encode()

    async def post(self, path: str, body: Mapping[str, Json], watch: Watch | None = None) -> HttpAnswer:
        """Send JSON and read the whole response; `watch` is shown every part of it as it arrives.

        Raises:
            CallError: no response within the deadline (TIMEOUT), none at all (CONNECTION), or one that cannot be read
                (MALFORMED).
        """
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        return await self._send("POST", path, content, self._timeout_s, watch)

    async def get(self, path: str, timeout_s: float) -> HttpAnswer:
        """Read a resource; raises as `post` does."""
        return await self._send("GET", path, None, timeout_s)

    async def _send(
        self, method: str, path: str, content: bytes | None, timeout_s: float, watch: Watch | None = None
    ) -> HttpAnswer:
        taken = time.perf_counter()
        await self._connections.take()
        queue_ms = (time.perf_counter() - taken) * 1000
        try:
            answer = await self._exchange(method, path, content, timeout_s, watch)
        finally:
            self._connections.give_back()
        return dataclasses.replace(answer, queue_ms=queue_ms)

    async def _exchange(
        self, method: str, path: str, content: bytes | None, timeout_s: float, watch: Watch | None
    ) -> HttpAnswer:
        headers = {"content-type": "application/json"} if content is not None else {}
        try:
            request = self._client.build_request(method, self.base_url + path, content=content, headers=headers)
            async with asyncio.timeout(timeout_s):
                start = time.perf_counter()
                response = await self._client.send(request, stream=True)
                try:
                    body = await _read(response, start, watch)
                    latency_ms = (time.perf_counter() - start) * 1000
                finally:
                    await response.aclose()
        except TimeoutError:
            message = f"no complete answer from {self.base_url} within {timeout_s:g} s"
            raise CallError(ErrorKind.TIMEOUT, message) from None
        except httpx.DecodingError as error:
            message = f"the answer is not encoded as its headers say: {error}"
            raise CallError(ErrorKind.MALFORMED, message, status=response.status_code) from None
        except _LIKELY_FAULTS as error:
            raise CallError(ErrorKind.CONNECTION, _reason(error, self.base_url)) from None
        body = self._without_key(body, _SHORTEST_SECRET if response.status_code == 200 else _SHORTEST_IN_ERROR)
        return HttpAnswer(response.status_code, response.headers, body, latency_ms)

    def _without_key(self, body: bytes, shortest: int) -> bytes:
        """Blank out our key: servers quote it in errors, and bodies end up in files."""
        return body.replace(self._key, b"[key]") if len(self._key) >= shortest else body

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


async def _read(response: httpx.Response, start: float, watch: Watch | None) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        if watch is not None:
            watch(chunk, (time.perf_counter() - start) * 1000)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise CallError(
                ErrorKind.MALFORMED,
                f"the answer is larger than {MAX_BODY_BYTES // 2**20} MB",
                status=response.status_code,
            )
        chunks.append(chunk)
    return b"".join(chunks)


def _reason(error: Exception, base_url: str) -> str:
    """Say in plain words why there is no answer."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{base_url} does not answer in HTTP: {error.message.partition(':')[0]}"
    cause = error.__cause__
    proxy = " through the proxy" if isinstance(cause, aiohttp.ClientProxyConnectionError) else ""
    fault = getattr(cause, "os_error", cause)
    detail = _os_reason(fault) if isinstance(fault, OSError) else str(error) or type(error).__name__
    return f"no answer from {base_url}{proxy}: {detail.partition(': <')[0]}"


def _os_reason(error: OSError) -> str:
    from_system = (error.errno or 0) > 0 and not isinstance(error, ssl.SSLError)
    return os.strerror(error.errno or 0) if from_system else error.strerror or str(error)
