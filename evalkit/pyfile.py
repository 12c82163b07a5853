"""Functions that users name as `file.py:function`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from evalkit.errors import ConfigError, Location


def load_function(spec: str, base_dir: Path) -> Callable[..., Any]:
    """Import a file and return the function it defines.

    Args:
        spec: `path/to/file.py:function`, the path relative to `base_dir`.
        base_dir: the folder of the file that names it.

    Raises:
        ConfigError: the spelling is off, the file is missing or fails to import, or has no such function.
    """
    file, separator, name = spec.rpartition(":")
    if not separator or not file.endswith(".py") or not name.isidentifier():
        raise ConfigError(f"{spec!r} does not name a function", remedy="write path/to/file.py:function")
    path = (base_dir / file).resolve()
    if not path.is_file():
        raise ConfigError(f"the file of {spec!r} does not exist: {path}")
    module = _import(path)
    function = getattr(module, name, None)
    if not callable(function):
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        remedy = f"it defines: {', '.join(own)}" if own else None
        raise ConfigError(f"{path.name} defines no function {name!r}", where=Location(path), remedy=remedy)
    return function  # type: ignore[no-any-return]


def _import(path: Path) -> ModuleType:
    """Import a file under a name of its own, with its neighbours importable as they are when it is run as a script.

    Once only, unless it has been edited since: a notebook asks it again as it is then.
    """
    try:
        name = f"evalkit_user_{abs(hash((path, path.read_bytes()))):x}_{path.stem}"
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=Location(path)) from None
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:  # pragma: no cover: a .py file always has both
        raise ConfigError("cannot be imported", where=Location(path))
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[name] = module  # dataclasses and pickling look a module up by its name
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ConfigError(
            f"cannot be imported: {type(error).__name__}: {error}", where=Location(path, _failing_line(error, path))
        ) from error
    return module


def _failing_line(error: BaseException, path: Path) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
