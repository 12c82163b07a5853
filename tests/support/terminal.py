"""A command in a terminal of its own: what a person would see of it, and the keys that person presses."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte
from workspace import EVALKIT

PATIENCE_S = 120.0
KEYS = {"enter": "\r", "escape": "\x1b", "left": "\x1b[D", "right": "\x1b[C", "down": "\x1b[B", "ctrl+s": "\x13"}


class Terminal:
    """Runs `evalkit` in a pseudo-terminal, and draws what it writes.

    Nothing here sleeps: whoever presses a key waits for what it must bring about.
    """

    def __init__(self, *arguments: str, cwd: Path, size: tuple[int, int] = (80, 24), **env: str) -> None:
        self.raw = bytearray()
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        left_out = ("NO_COLOR", "COLUMNS", "LINES", "GITHUB_ACTIONS", "CI")
        self._process = subprocess.Popen(
            [str(EVALKIT), *arguments],
            cwd=cwd,
            env={name: value for name, value in os.environ.items() if name not in left_out}
            | {"TERM": "xterm-256color", **env},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        os.close(self._main)

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def wait_for(self, *words: str) -> str:
        """Read until all these words are on the screen; returns it."""
        self._read_until(lambda: all(word in self.text for word in words), f"{words} in")
        return self.text

    def press(self, *keys: str) -> None:
        """Press keys: names of KEYS, or texts to type."""
        for key in keys:
            os.write(self._main, KEYS.get(key, key).encode())

    def answer(self, key: str, *words: str) -> str:
        """Press a key, and wait for what it brings."""
        self.press(key)
        return self.wait_for(*words)

    def kill(self) -> None:
        """End it as a power failure would."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def vanish(self) -> int:
        """Close the terminal, of which the command hears no signal; returns the exit code with which it ends.

        Raises:
            TimeoutExpired: it goes on without.
        """
        os.close(self._main)
        self._main = os.open(os.devnull, os.O_RDONLY)
        return self._process.wait(timeout=PATIENCE_S)

    def finished(self) -> tuple[int, str]:
        """Wait until it has ended by itself; returns its exit code and what is on the screen."""
        self._read_until(lambda: False, "the end of", to_the_end=True)
        return self._process.wait(), self.text

    def _read_until(self, there: Callable[[], bool], what: str, *, to_the_end: bool = False) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not there():
            ready: Sequence[int] = select.select([self._main], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, f"waited in vain for {what}\n{self.text}"
            try:
                data = os.read(self._main, 1 << 16)
            except OSError:  # Linux says so when the other end is closed
                data = b""
            if not data:
                assert to_the_end, f"it ended before {what}\n{self.text}"
                return
            self.raw += data
            self._stream.feed(data)
