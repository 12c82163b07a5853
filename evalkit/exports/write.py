"""Write what is exported: whole or not at all, and never over what is there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from evalkit.errors import ConfigError
from evalkit.files import WriteError

Content: TypeAlias = Iterable[str] | Callable[[BinaryIO], None]
"""What a file is to hold: text, piece by piece, or what writes its bytes."""

Files: TypeAlias = Mapping[str, Content]
"""The files of an export by their paths in its folder; one without a folder has the path ""."""

_REMEDY: Final = "name another place with -o, or move what is there"


def write_new(files: Files, out: Path, wanted: Callable[[], bool]) -> tuple[Path, ...]:
    """Write files that are not there yet.

    Args:
        files: what to write; each content is gone through once.
        out: the file, or the folder of the files.
        wanted: asked when all is written beside the place; unless it says so, nothing stays.

    Returns:
        The files written.

    Raises:
        ConfigError: a file is there already; or what the contents raise. Nothing is written then.
        WriteError: a file cannot be written; none is.
    """
    targets = {name: out / name if name else out for name in files}
    _refuse_what_is_there(targets.values(), out, alone="" in targets)
    part: Path | None = None
    placed: list[Path] = []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.resolve().parent))
        written = {name: _written(content, part / str(number)) for number, (name, content) in enumerate(files.items())}
        if wanted():
            for name, file in written.items():
                _place(file, targets[name], placed)
    except OSError as error:
        for path in placed:
            path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise ConfigError(f"there already: {error.filename or out}", remedy=_REMEDY) from None
        raise WriteError(
            f"cannot write {out}: {error.strerror or error}", remedy="make room, or make the folder writable"
        ) from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    return tuple(placed)


def _refuse_what_is_there(targets: Iterable[Path], out: Path, *, alone: bool) -> None:
    there = [str(target) for target in targets if os.path.lexists(target)]
    if not alone and out.exists() and not out.is_dir():
        there = [str(out)]
    if there:
        raise ConfigError(f"there already: {', '.join(there)}; nothing was written", remedy=_REMEDY)


def _written(content: Content, path: Path) -> Path:
    if callable(content):
        with path.open("wb") as raw:
            content(raw)
    else:
        with path.open("w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            file.writelines(content)
    return path


def _place(file: Path, target: Path, placed: list[Path]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("x"):  # fails where somebody else was faster
        placed.append(target)
    file.replace(target)
