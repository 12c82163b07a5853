"""Serve the app on this machine until interrupted."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evalkit.errors import ConfigError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_LOOPBACK: Final = "127.0.0.1"
_GRACE_S: Final = 1


def serve(results: Path, port: int, listening: Callable[[str], None]) -> None:
    """Serve a results folder until the process is interrupted.

    Args:
        results: the folder.
        port: where; 0 for any free one.
        listening: gets the address, with its token, once requests are taken.

    Raises:
        ConfigError: there is no such folder, the port cannot be had, or the extra `view` is not installed.
        KeyboardInterrupt: the user has had enough.
    """
    if not results.is_dir():
        raise ConfigError(
            f"there is no folder {results}", remedy="name the results folder: evalkit view DIR; or run a suite first"
        )
    try:
        import uvicorn

        from evalkit.view.app import make_app
    except ImportError as error:
        raise ConfigError(
            f"`evalkit view` needs a package that is not installed: {error.name}",
            remedy="pip install 'evalkit-cli[view]'",
        ) from None
    with _listener(port) as listener:
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(32)
        config = uvicorn.Config(
            _guarded(make_app(results), token, port),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL,  # what any stranger may send is no news for the user's terminal
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        listening(f"http://{_LOOPBACK}:{port}/?token={token}")
        uvicorn.Server(config).run(sockets=[listener])


def _guarded(app: ASGIApp, token: str, port: int) -> ASGIApp:
    from evalkit.view.guard import Guard

    names = (_LOOPBACK, "localhost")
    hosts = {f"{name}:{port}" for name in names} | ({*names} if port == 80 else set())
    return Guard(app, token, hosts, cookie=f"evalkit_view_{port}")


def _listener(port: int) -> socket.socket:
    try:
        listener = socket.create_server((_LOOPBACK, port))
    except OSError as error:
        raise ConfigError(
            f"port {port} cannot be had: {os.strerror(error.errno) if error.errno else error}",
            remedy="leave out --port, and any free one is taken",
        ) from None
    return listener
