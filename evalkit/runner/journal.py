"""The journal: append-only JSON lines, the only source of truth about a run.

One row is one `write` to a file opened for appending, so a killed process leaves at most one torn row, the last. A torn
row is cut off before the next one is appended and passed over when reading. Rows are forced to the disk a tenth of a
second later at most, so a power failure costs no more than that. Rows are never changed; where a call has
several (an error, then the answer after a resume) the last one counts. Every process that writes begins with a header
that tells the suite and the configuration it asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from evalkit.errors import ErrorKind, EvalkitError, ExitCode
from evalkit.files import write_atomically
from evalkit.runner.rows import SESSION, decoded, every, parse, rows_with_begin
from evalkit.types import CallScore, Completion, Json, Record, RecordError, Score, ScorerVerdict, Usage

RECORDS = "records.jsonl"
SCORES = "scores.jsonl"
JUDGEMENTS = "judgements.jsonl"
_SYNC_EVERY_S = 0.1


class JournalError(EvalkitError):
    """The journal cannot be written: the disk is full, or the folder is gone."""

    exit_code = ExitCode.INCOMPLETE

    def __init__(self, path: Path | str, error: OSError) -> None:
        super().__init__(
            f"cannot write {path}: {error.strerror or error}",
            remedy="make room, then go on with: evalkit run SUITE --resume; what was written is kept",
        )


class Appender:
    """A JSON-lines file that only grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._unsynced = False
        self.size = _cut_torn_row(self._fd)

    def append(self, row: Mapping[str, Json]) -> None:
        """Append one row; when this returns, the row survives the death of the process.

        Raises:
            JournalError: the disk is full or the file is gone.
        """
        self.write(_line(row).encode("utf-8", "backslashreplace"))

    def write(self, data: bytes) -> None:
        """Append whole rows as they are, line ends included; otherwise as `append`."""
        self._unsynced = True
        try:
            written = os.write(self._fd, data)
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            # Part of the row may have been written; whoever writes next would continue it.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.size)
            raise JournalError(self._path, error) from None
        self.size += len(data)

    def sync(self) -> None:
        """Force the rows to the disk, if there are new ones."""
        if self._unsynced:
            self._unsynced = False  # before, as rows may be appended meanwhile
            try:
                os.fsync(self._fd)
            except OSError as error:
                self._unsynced = True
                raise JournalError(self._path, error) from None

    def close(self) -> None:
        """Force the rows to the disk and close the file."""
        self.sync()
        os.close(self._fd)


class Journal:
    """The journals of a run folder, open for appending.

    Args:
        folder: of the run.
        session: who writes and what is asked: the header that goes before this process's records.
    """

    def __init__(self, folder: Path, session: Mapping[str, Json]) -> None:
        self._records = Appender(folder / RECORDS)
        self._scores = Appender(folder / SCORES)
        self._records.append({SESSION: session})
        self.judgements = Judgements(folder / JUDGEMENTS)

    def add_record(self, record: Record) -> None:
        """Append a finished call."""
        self._records.append(encode_record(record))

    def add_score(self, score: CallScore) -> None:
        """Append a verdict."""
        self._scores.append(encode_score(score))

    def sync(self) -> None:
        """Force what was paid for to the disk; verdicts can be given again."""
        self._records.sync()
        self.judgements.sync()

    def close(self) -> None:
        """Force everything to the disk."""
        self._records.close()
        self._scores.close()
        self.judgements.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def keep_synced(sync: Callable[[], None]) -> None:
    """Call this, in a thread, every tenth of a second until cancelled."""
    while True:
        await asyncio.sleep(_SYNC_EVERY_S)
        await asyncio.to_thread(sync)


class Judgements:
    """What models said to scorers, on disk; in memory only where each answer begins. The file comes with the first.

    A reply is a record whose `call_id` tells the question.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begins: dict[int, int] = {}
        self._rejected: set[int] = set()
        self._file: Appender | None = None
        for begin, row in rows_with_begin(path):
            if row["error"] is None:
                self._begins[int(row["call_id"], 16)] = begin
            else:
                self._begins.pop(int(row["call_id"], 16), None)

    def add(self, reply: Record) -> None:
        """Append a reply."""
        file = self._appender()
        if reply.error is None:
            self._begins[int(reply.call_id, 16)] = file.size
        file.append(encode_record(reply))

    def reject(self, question: str, why: str) -> None:
        """Note that a reply, paid for as it is, was of no use; for this process it stays the answer."""
        reply = self.find(question)
        if reply is None or int(question, 16) in self._rejected:
            return
        self._rejected.add(int(question, 16))
        self._appender().append(encode_record(rejected(reply, why)))

    def _appender(self) -> Appender:
        if self._file is None:
            self._file = Appender(self._path)
        return self._file

    def find(self, question: str) -> Record | None:
        """Look up the answer to a question."""
        begin = self._begins.get(int(question, 16))
        if begin is None:
            return None
        with self._path.open("rb") as file:
            file.seek(begin)
            return decoded(self._path, begin, parse(self._path, begin, file.readline()), decode_record)

    def sync(self) -> None:
        """Force new rows to the disk."""
        if self._file is not None:
            self._file.sync()

    def close(self) -> None:
        """Force everything to the disk."""
        if self._file is not None:
            self._file.close()


def rejected(reply: Record, why: str) -> Record:
    """The row that says that a reply was of no use; what it cost stands in its own."""
    error = RecordError(ErrorKind.MALFORMED, why)
    return dataclasses.replace(reply, output=None, usage=Usage(), cost_usd=None, attempts=0, error=error)


def _line(row: Mapping[str, Json]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def _cut_torn_row(fd: int) -> int:
    """Drop what follows the last line end: the row that a killed process did not finish. Returns the size left."""
    size = end = os.fstat(fd).st_size
    step = 65536
    while end > 0:
        start = max(0, end - step)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(fd, end)
    return end


def read_records(folder: Path) -> Iterator[Record]:
    """Read records.jsonl in the order it was written.

    Raises:
        ConfigError: a row other than a torn last one is damaged; names file and line.
    """
    return every(folder / RECORDS, decode_record)


def read_judgements(folder: Path) -> Iterator[Record]:
    """Read judgements.jsonl, if there is one, in the order it was written.

    Raises:
        ConfigError: a row other than a torn last one is damaged; names file and line.
    """
    return every(folder / JUDGEMENTS, decode_record)


def read_scores(folder: Path) -> Iterator[CallScore]:
    """Read scores.jsonl in the order it was written.

    Raises:
        ConfigError: a row other than a torn last one is damaged; names file and line.
    """
    return every(folder / SCORES, decode_score)


def replace_scores(folder: Path, scores: Iterable[CallScore]) -> None:
    """Write scores.jsonl anew in one step: verdicts can always be given again, unlike answers."""
    write_atomically(folder / SCORES, (_line(encode_score(score)) for score in scores))


def encode_record(record: Record) -> dict[str, Json]:
    """A record as a journal row."""
    return {
        "call_id": record.call_id,
        "model": record.model,
        "prompt": record.prompt,
        "case_id": record.case_id,
        "trial": record.trial,
        "output": record.output,
        "tool_calls": list(record.tool_calls),
        "finish_reason": record.finish_reason,
        "finish_reason_raw": record.finish_reason_raw,
        "logprobs": record.logprobs,
        "usage": _encode_usage(record.usage),
        "queue_ms": _rounded(record.queue_ms),
        "retry_ms": _rounded(record.retry_ms),
        "ttft_ms": _rounded(record.ttft_ms),
        "latency_ms": _rounded(record.latency_ms),
        "client_ms": _rounded(record.client_ms),
        "server_ms": {part: _rounded(ms) for part, ms in record.server_ms.items()},
        "attempts": record.attempts,
        "served_model": record.served_model,
        "fingerprint": record.fingerprint,
        "cost_usd": record.cost_usd,
        "billed": record.billed,
        "dropped_params": list(record.dropped_params),
        "turns": [_encode_turn(reply) for reply in record.turns],
        "error": asdict(record.error) if record.error else None,
        "started_at": record.started_at,
    }


def _encode_usage(usage: Usage) -> dict[str, Json]:
    return {
        "input": usage.input,
        "cached_input": usage.cached_input,
        "cache_write": usage.cache_write,
        "output": usage.output,
        "reasoning": usage.reasoning,
    }


def _encode_turn(reply: Completion) -> dict[str, Json]:
    return {
        "output": reply.output,
        "tool_calls": list(reply.tool_calls),
        "finish_reason": reply.finish_reason,
        "usage": _encode_usage(reply.usage),
        "ttft_ms": _rounded(reply.ttft_ms),
        "latency_ms": _rounded(reply.latency_ms),
        "cost_usd": reply.cost_usd,
    }


def _rounded(milliseconds: float | None) -> float | None:
    """To the microsecond: finer digits of a network call are noise."""
    return None if milliseconds is None else round(milliseconds, 3)


def decode_record(row: Mapping[str, Any]) -> Record:
    """A journal row as a record."""
    error = row["error"]
    return Record(
        call_id=row["call_id"],
        model=row["model"],
        prompt=row["prompt"],
        case_id=row["case_id"],
        trial=row["trial"],
        output=row["output"],
        tool_calls=tuple(row["tool_calls"]),
        finish_reason=row["finish_reason"],
        finish_reason_raw=row["finish_reason_raw"],
        logprobs=row["logprobs"],
        usage=_decode_usage(row["usage"]),
        queue_ms=row["queue_ms"],
        retry_ms=row["retry_ms"],
        ttft_ms=row["ttft_ms"],
        latency_ms=row["latency_ms"],
        client_ms=row["client_ms"],
        server_ms=row["server_ms"],
        attempts=row["attempts"],
        served_model=row["served_model"],
        fingerprint=row["fingerprint"],
        cost_usd=row["cost_usd"],
        billed=row["billed"],
        dropped_params=tuple(row["dropped_params"]),
        turns=tuple(decode_turn(reply) for reply in row["turns"]),
        error=RecordError(error["kind"], error["message"], error["status"]) if error else None,
        started_at=row["started_at"],
    )


def _decode_usage(usage: Mapping[str, Any]) -> Usage:
    return Usage(usage["input"], usage["cached_input"], usage["cache_write"], usage["output"], usage["reasoning"])


def decode_turn(reply: Mapping[str, Any]) -> Completion:
    """A part of a journal row as a reply of a conversation."""
    return Completion(
        reply["output"],
        latency_ms=reply["latency_ms"],
        ttft_ms=reply["ttft_ms"],
        finish_reason=reply["finish_reason"],
        tool_calls=tuple(reply["tool_calls"]),
        usage=_decode_usage(reply["usage"]),
        cost_usd=reply["cost_usd"],
    )


def encode_score(score: CallScore) -> dict[str, Json]:
    """A verdict as a journal row."""
    return {
        "call_id": score.call_id,
        "passed": score.passed,
        "value": score.value,
        "verdicts": [_encode_verdict(verdict) for verdict in score.verdicts],
    }


def _encode_verdict(verdict: ScorerVerdict) -> dict[str, Json]:
    score = verdict.score
    return {
        "scorer": verdict.scorer,
        "weight": verdict.weight,
        "value": score.value,
        "passed": score.passed,
        "reason": score.reason,
        "details": score.details,
    }


def decode_score(row: Mapping[str, Any]) -> CallScore:
    """A journal row as a verdict."""
    return CallScore(row["call_id"], row["passed"], row["value"], tuple(map(decode_verdict, row["verdicts"])))


def decode_verdict(part: Mapping[str, Any]) -> ScorerVerdict:
    """A part of a journal row as one scorer's verdict."""
    score = Score(part["value"], part["passed"], part["reason"], part["details"])
    return ScorerVerdict(part["scorer"], score, part.get("weight", 1.0))  # rows once had none
