"""Inspect's log files: a JSON document, or a ZIP archive with a JSON document for the log and one for each sample.

Members of an archive may be packed by Zstandard (method 93). Python unpacks that from release 3.14 on; before, it takes
the package `zstandard`. Samples are read one by one.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from evalkit.errors import ConfigError, Location
from evalkit.imports.jsonfiles import parse, read_document, unreadable
from evalkit.types import Json

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_MEMBER: Final = 256 << 20
"""Bytes of a member, unpacked. A long agent's transcript takes some tens of megabytes."""
_ZSTD: Final = 93
_SIGNATURE: Final = b"PK\x03\x04"
_LOCAL_HEADER: Final = struct.Struct("<4s5H3L2H")
_HEADERS: Final = ("header.json", "_journal/start.json")
_SAMPLES: Final = "samples/"
_ENCRYPTED: Final = 0x1
_FAULTS: Final = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, struct.error)


class NoLogError(ConfigError):
    """A file that is whole, and no log."""


class Log:
    """A log file that can be read.

    Args:
        path: of the file.

    Raises:
        NoLogError: it is none.
        ConfigError: it cannot be read, or is damaged as a whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._document: Mapping[str, Json] | None = None
        self.header = self._archive_header() if _is_archive(path) else self._read_document()

    def _read_document(self) -> Mapping[str, Json]:
        data = read_document(self.path)
        if not isinstance(data, dict) or not isinstance(data.get("eval"), dict):
            raise _no_log(self.path)
        self._document = data
        return data

    def _archive_header(self) -> Mapping[str, Json]:
        with _opened(self.path) as archive:
            names = set(archive.namelist())
            name = next((name for name in _HEADERS if name in names), None)
            if name is None:
                raise _no_log(self.path)
            data = parse(_unpacked(archive, self.path, archive.getinfo(name)), _inside(self.path, name))
        if not isinstance(data, dict) or not isinstance(data.get("eval"), dict):
            raise _no_log(self.path)
        return data

    def samples(self) -> Iterator[tuple[Location, Json | ConfigError]]:
        """Every sample with its place; one that cannot be read comes as its error."""
        if self._document is not None:
            samples = self._document.get("samples")
            for number, sample in enumerate(samples if isinstance(samples, list) else (), 1):
                yield Location(f"{self.path} (sample {number})"), sample
            return
        with _opened(self.path) as archive:
            for member in _sample_members(archive):
                where = _inside(self.path, member.filename)
                try:
                    yield where, parse(_unpacked(archive, self.path, member), where)
                except ConfigError as error:
                    yield where, error


def _sample_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The members that hold samples. Of one written twice, as by a resumed eval, the last counts."""
    named = {
        member.filename: member
        for member in archive.infolist()
        if member.filename.startswith(_SAMPLES) and member.filename.endswith(".json")
    }
    return sorted(named.values(), key=lambda member: member.header_offset)


def _is_archive(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise unreadable(path, error) from None
    return start.startswith(b"PK") or path.suffix.lower() == ".eval"


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise unreadable(path, error) from None
    except _FAULTS as error:
        raise ConfigError(
            f"is no whole .eval file: {error}",
            where=Location(path),
            remedy="an eval that was cut off can be put right by: inspect log recover",
        ) from None


def _inside(path: Path, member: str) -> Location:
    return Location(f"{path} ({member})")


def _no_log(path: Path) -> NoLogError:
    return NoLogError(
        "is not a log of Inspect: it has no `eval`",
        where=Location(path),
        remedy="name a .eval or .json file of Inspect's log folder",
    )


def _unpacked(archive: zipfile.ZipFile, path: Path, member: zipfile.ZipInfo) -> bytes:
    """The content of a member, if it is not larger than it may be and what its checksum says.

    Raises:
        ConfigError: it is too large, damaged, or packed in a way that cannot be undone here.
    """
    where = _inside(path, member.filename)
    try:
        if member.compress_type == _ZSTD and _ZSTD not in _known_methods():
            content = _zstd_content(archive, member, _zstd_opener(where))
        else:
            with archive.open(member) as file:
                content = file.read(MAX_MEMBER + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    except _FAULTS as error:
        raise ConfigError(f"cannot be unpacked: {error}", where=where) from None
    if len(content) > MAX_MEMBER:
        raise ConfigError(f"is larger than {MAX_MEMBER >> 20} MiB when unpacked", where=where)
    return content


def _known_methods() -> tuple[int, ...]:
    method = getattr(zipfile, "ZIP_ZSTANDARD", None)
    return () if method is None else (method,)


def _zstd_opener(where: Location) -> Callable[[IO[bytes]], IO[bytes]]:
    try:
        import zstandard
    except ImportError:
        raise ConfigError(
            "is packed by Zstandard, which takes a package that is not installed",
            where=where,
            remedy="pip install 'evalkit[import]'",
        ) from None

    def opened(packed: IO[bytes]) -> IO[bytes]:
        return zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)

    return opened


def _zstd_content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, opened: Callable[[IO[bytes]], IO[bytes]]) -> bytes:
    """Unpack a member that `zipfile` cannot: its bytes stand behind its local header."""
    import io

    if member.flag_bits & _ENCRYPTED:
        raise zipfile.BadZipFile("the member is encrypted")
    file = archive.fp
    if file is None:
        raise zipfile.BadZipFile("the archive is closed")
    file.seek(member.header_offset)
    signature, *_, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    if signature != _SIGNATURE:
        raise zipfile.BadZipFile("the member's header is damaged")
    file.seek(member.header_offset + _LOCAL_HEADER.size + name + extra)
    packed = io.BytesIO(file.read(min(member.compress_size, MAX_MEMBER)))
    content = _read(opened(packed))
    if len(content) <= MAX_MEMBER and zlib.crc32(content) != member.CRC:
        raise zipfile.BadZipFile("its checksum is another one")
    return content


def _read(reader: IO[bytes]) -> bytes:
    import zstandard

    try:
        return reader.read(MAX_MEMBER + 1)
    except zstandard.ZstdError as error:
        raise zipfile.BadZipFile(str(error)) from None
