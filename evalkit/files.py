"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from evalkit.errors import EvalkitError, ExitCode


class WriteError(EvalkitError):
    """A file cannot be written; the one before it, if any, is as it was."""

    exit_code = ExitCode.INCOMPLETE


def write_atomically(path: Path, text: str | Iterable[str]) -> None:
    """Replace a file's content in one step: a reader, or a crash, sees the old content or the new, never a part.

    Args:
        path: of the file.
        text: all of it, or its parts one after the other.

    Raises:
        WriteError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            file.writelines([text] if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            part.chmod(path.stat().st_mode)  # who may read and write it is not ours to change
        part.replace(path)
    except OSError as error:
        raise WriteError(
            f"cannot write {path}: {error.strerror or error}", remedy="make room, or make the folder writable"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
