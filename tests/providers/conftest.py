"""Fixtures for providers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from raw_server import Act, RawServer


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    """Return a function that starts a server with these acts."""
    servers: list[RawServer] = []

    def start(*acts: Act) -> RawServer:
        servers.append(RawServer(*acts))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
