"""HTTP for all providers: one timer, one deadline, one way to fail.

The client has httpx's interface over aiohttp's transport: with 64 requests in flight, httpx's own connection pool turns
a 200 ms server into a p95 of 1,400 ms (encode/httpx#3215), this transport into 216 ms.
"""

from __future__ import annotations

import asyncio
import functools
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from httpx_aiohttp import HttpxAiohttpClient

from evalkit.errors import CallError, ErrorKind
from evalkit.models.hosts import is_loopback
from evalkit.types import Json

MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A response, read to its last byte. `latency_ms` runs from the start of the request to that byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    latency_ms: float

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

    @functools.cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """Built once and only when needed: loading the certificates takes 20 ms."""
        return httpx.create_ssl_context()

    def client(self, base_url: str, headers: Mapping[str, str], *, timeout_s: float, connections: int) -> HttpClient:
        """Open a client for one model."""
        local = is_loopback(base_url)
        return HttpClient(
            HttpxAiohttpClient(
                headers={"user-agent": "evalkit", **headers},
                verify=self.ssl_context if urlsplit(base_url).scheme == "https" else False,
                trust_env=not local,  # a proxy must not come between us and this machine
                timeout=None,
                limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            ),
            base_url.rstrip("/"),
            timeout_s,
        )


class HttpClient:
    """Requests to one base URL."""

    def __init__(self, client: httpx.AsyncClient, base_url: str, timeout_s: float) -> None:
        self._client = client
        self.base_url = base_url
        self._timeout_s = timeout_s

    async def post(self, path: str, body: Mapping[str, Json]) -> HttpAnswer:
        """Send JSON and read the whole response.

        Raises:
            CallError: no response within the deadline (TIMEOUT), or none at all (CONNECTION).
        """
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        headers = {"content-type": "application/json"}
        request = self._client.build_request("POST", self.base_url + path, content=content, headers=headers)
        return await self._send(request, self._timeout_s)

    async def get(self, path: str, timeout_s: float) -> HttpAnswer:
        """Read a resource; raises as `post` does."""
        return await self._send(self._client.build_request("GET", self.base_url + path), timeout_s)

    async def _send(self, request: httpx.Request, timeout_s: float) -> HttpAnswer:
        start = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._client.send(request, stream=True)
                try:
                    body = await _read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise CallError(ErrorKind.TIMEOUT, f"no complete answer within {timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise CallError(ErrorKind.CONNECTION, _reason(error, self.base_url)) from None
        latency_ms = (time.perf_counter() - start) * 1000
        return HttpAnswer(response.status_code, response.headers, body, latency_ms)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


async def _read(response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
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
    detail = str(error) or type(error).__name__
    return f"no connection to {base_url}: {detail}"
