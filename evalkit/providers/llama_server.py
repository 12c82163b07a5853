"""llama.cpp's own server in a child process: loopback only, gone when the run is gone.

Run as a program (`python -m evalkit.providers.llama_server`) it serves the weights named in the JSON line on its
standard input, prints its address as a JSON line, and lives until that input closes, which happens even when the parent
is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NoReturn

from evalkit.errors import CallError, ErrorKind
from evalkit.types import Json

START_TIMEOUT_S = 120.0
_MAX_REASON = 400


class LlamaServer:
    """One child process serving one set of weights."""

    def __init__(self, weights: Path, *, name: str, context_size: int, parallel: int) -> None:
        self.api_key = secrets.token_urlsafe(24)
        self._settings = {
            "weights": str(weights),
            "name": name,
            "context_size": context_size,
            "parallel": parallel,
            "api_key": self.api_key,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Start the child and wait until it serves.

        Returns:
            Its base URL, ending in /v1.

        Raises:
            CallError: it did not come up (UNAVAILABLE), with what its log says.
        """
        with tempfile.TemporaryFile() as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # a secrets.py in the folder we are started from is not the library's
                "-m",
                "evalkit.providers.llama_server",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: calls in flight must still be answered
            )
            return await self._address(self._process, log)

    async def _address(self, process: asyncio.subprocess.Process, log: IO[bytes]) -> str:
        line = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(START_TIMEOUT_S):
                _pipe(process.stdin).write(json.dumps(self._settings).encode() + b"\n")
                line = await _pipe_out(process.stdout).readline()
        try:
            return str(json.loads(line)["url"]) + "/v1"
        except (ValueError, KeyError, TypeError):
            await self.stop()
            log.seek(0)
            reason = _reason(log.read().decode("utf-8", "replace"))
            message = f"llama.cpp could not serve {self._settings['weights']}: {reason}"
            raise CallError(ErrorKind.UNAVAILABLE, message) from None

    async def stop(self) -> None:
        """Stop the child; does nothing when it has ended already."""
        if self._process is None or self._process.returncode is not None:
            return
        _pipe(self._process.stdin).close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()  # it has nothing to put in order, and may be busy loading
        await self._process.wait()


def _reason(log: str) -> str:
    """Pick the line that says what went wrong: the first that llama.cpp marks as an error, else the last."""
    lines = log.strip().splitlines() or ["it said nothing"]
    marked = [line.partition(" E ")[2] for line in lines if " E " in line]
    return (marked or lines[-1:])[0].strip()[:_MAX_REASON]


def _pipe(stream: asyncio.StreamWriter | None) -> asyncio.StreamWriter:
    if stream is None:  # pragma: no cover
        raise RuntimeError("the child was started without a pipe")
    return stream


def _pipe_out(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if stream is None:  # pragma: no cover
        raise RuntimeError("the child was started without a pipe")
    return stream


def _serve(settings: Mapping[str, Json]) -> NoReturn:  # pragma: no cover: runs in the child
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["weights"]
    params.model_alias = {settings["name"]}  # what it calls itself in answers, instead of the file's path
    params.n_ctx = settings["context_size"] * settings["parallel"]  # llama.cpp splits it between the slots
    params.n_parallel = settings["parallel"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _processors()
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings["api_key"]]
    params.cache_ram_mib = 0  # a prompt that another model was asked before must not come back at no cost
    params.verbosity = 1
    server = xllamacpp.Server(params)
    sys.stdout.write(json.dumps({"url": server.listening_address}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    # Right here: to let go of `server` waits for its threads, which may be busy with an abandoned answer, or for ever.
    os._exit(0)


def _processors() -> int:  # pragma: no cover: runs in the child
    """Count the processors we may use, which in a container can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":  # pragma: no cover: runs in the child
    _serve(json.loads(sys.stdin.readline()))
