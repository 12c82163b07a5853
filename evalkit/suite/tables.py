"""Cases from parquet files and from the Hugging Face hub, read by the `datasets` package, which is imported only here.

The import takes about two seconds and nothing is sent but the request for the data.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from evalkit.errors import ConfigError, Location
from evalkit.scorers.options import unknown_name
from evalkit.suite.rows import Row, Rows
from evalkit.types import Json

_OPTIONS: Final = ("split", "config", "revision")
_NAME: Final = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
_EXAMPLE: Final = "write hf://org/name?split=test, with &config=... and &revision=... where the dataset needs them"


def parquet_rows(path: Path, *, named: bool = False) -> Rows:
    """Read the rows of a parquet file.

    Args:
        path: the file.
        named: whether class labels come as their names; else as their numbers.

    Raises:
        ConfigError: not a parquet file, or a cell that is not text, a number, a list or a mapping of these.
    """
    where = Location(path)
    yield from _rows(
        _load(where, "parquet", data_files=str(path), split="train", streaming=True, named=named), str(path)
    )


def hub_rows(url: str, where: Location, *, named: bool = False) -> Rows:
    """Read the rows of a split of a dataset on the hub, from the local cache where it holds them.

    Args:
        url: `hf://org/name?split=test`, with `config` and `revision` where wanted.
        where: the place of the URL in the suite.
        named: whether class labels come as their names; else as their numbers.

    Raises:
        ConfigError: a malformed URL, a dataset, config or split that does not exist, no network.
    """
    name, options = _parsed(url, where)
    config, revision = options.get("config"), options.get("revision")
    if "split" not in options:
        splits = _splits(name, config, revision, where)
        raise ConfigError(f"{url} names no split", where=where, remedy=f"add ?split= with one of: {splits}")
    yield from _rows(_load(where, name, config, split=options["split"], revision=revision, named=named), url)


def _parsed(url: str, where: Location) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    name = (parts.netloc + parts.path).strip("/")
    options = dict(parse_qsl(parts.query))
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{url} does not name a dataset", where=where, remedy=_EXAMPLE)
    for option in options:
        if option not in _OPTIONS:
            error = unknown_name("option", option, _OPTIONS)
            raise ConfigError(error.message, where=where, remedy=error.remedy)
    return name, options


def _splits(name: str, config: str | None, revision: str | None, where: Location) -> str:
    try:
        return ", ".join(_library().get_dataset_split_names(name, config, revision=revision))
    except Exception as error:  # noqa: BLE001 - the library raises many kinds, all about the user's data or network
        raise _refused(error, where) from None


def _load(where: Location, *args: Json, named: bool, **options: Json) -> Iterable[Mapping[str, Json]]:
    try:
        dataset: Iterable[Mapping[str, Json]] = _library().load_dataset(*args, **options)
        labels = _labels(dataset) if named else {}
        iterator = (_named(cells, labels) for cells in dataset) if labels else iter(dataset)
        first = next(iterator, None)
    except Exception as error:  # noqa: BLE001 - as above
        raise _refused(error, where) from None
    return iter(()) if first is None else _chained(first, iterator, where)


def _chained(
    first: Mapping[str, Json], rest: Iterator[Mapping[str, Json]], where: Location
) -> Iterator[Mapping[str, Json]]:
    yield first
    try:
        yield from rest
    except Exception as error:  # noqa: BLE001 - as above
        raise _refused(error, where) from None


def _labels(dataset: object) -> dict[str, list[str]]:
    """The names of the labels in each column of class labels."""
    features = getattr(dataset, "features", None) or {}
    return {column: feature.names for column, feature in features.items() if getattr(feature, "names", None)}


def _named(cells: Mapping[str, Json], labels: Mapping[str, Sequence[str]]) -> Mapping[str, Json]:
    """A row with its class labels by name; -1 stands for none."""
    return {**cells, **{column: _name(cells.get(column), names) for column, names in labels.items()}}


def _name(number: Json, names: Sequence[str]) -> Json:
    if not isinstance(number, int) or number >= len(names):
        return number
    return names[number] if number >= 0 else None


def _library() -> ModuleType:
    # The library reads these once, at import.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    import datasets

    return datasets  # type: ignore[no-any-return]


def _refused(error: Exception, where: Location) -> ConfigError:
    words = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ConfigError(f"the dataset cannot be read: {words}", where=where, remedy=_EXAMPLE)


def _rows(dataset: Iterable[Mapping[str, Json]], name: str) -> Rows:
    for number, cells in enumerate(dataset, 1):
        where = Location(f"{name} (row {number})")
        try:
            yield Row({column: _plain(cell) for column, cell in cells.items()}, where)
        except TypeError as error:
            yield ConfigError(str(error), where=where, remedy="leave the column out of the file")


def _plain(cell: Json) -> Json:
    """Turn what a table holds into JSON values; dates become ISO 8601."""
    if cell is None or isinstance(cell, (str, bool, int, float)):
        return cell
    if isinstance(cell, Mapping):
        return {str(key): _plain(value) for key, value in cell.items()}
    if isinstance(cell, (list, tuple)):
        return [_plain(item) for item in cell]
    if hasattr(cell, "isoformat"):
        return cell.isoformat()
    raise TypeError(f"a cell holds {type(cell).__name__}, which is neither text, a number, a list nor a mapping")
