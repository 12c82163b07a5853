"""The calls that the page holds, gathered while a run's rows are used for something else.

A page of every call of a large run would be too large to open. So it holds so many, of every candidate alike those
that did not pass first, and tells of every call of a case that it shows at least what became of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Final

from evalkit.analysis import CallRow, Outcome
from evalkit.analysis.run_data import RunData
from evalkit.analysis.tidy import expected_text
from evalkit.report.format import compact
from evalkit.report.html.messages import Sent
from evalkit.types import Case, Json, Record

MOST_CALLS: Final = 20_000
"""Calls that a page holds."""
MOST_BYTES: Final = 16_000_000
"""Bytes of the page that texts of calls take before they are cut short; cases, and messages sent, have half each."""
TEXT: Final = 10_000
"""Characters kept of one text ..."""
SHORT: Final = 200
"""... and of one that comes when there is no room left."""

_LETTERS: Final = {
    Outcome.PASSED: ord("p"),
    Outcome.FAILED: ord("f"),
    Outcome.ERROR: ord("e"),
    Outcome.MISSING: ord("m"),
    Outcome.NOT_ASKED: ord("n"),
}


class _Room:
    """Cuts texts so that all of them together take about as many bytes of the page as they should."""

    def __init__(self, size: int) -> None:
        self._left = size

    def keep(self, text: str | None) -> Json:
        """The text, or a mapping of its beginning and how many characters it has."""
        if text is None:
            return None
        limit = TEXT if self._left > 0 else SHORT
        kept = text[:limit]
        self._left -= _size(kept)
        return kept if len(text) <= limit else {"text": kept, "chars": len(text)}


def _size(text: str) -> int:
    """Bytes that a text takes on the page, about: what is markup elsewhere is spelt with six letters there."""
    escaped = sum(map(text.count, "<>&"))
    return (len(text) if text.isascii() else len(text.encode(errors="replace"))) + 5 * escaped


class _Texts:
    """Texts that come again and again, each kept once."""

    def __init__(self, room: _Room) -> None:
        self._room = room
        self._numbers: dict[tuple[str, int], int] = {}
        self.kept: list[Json] = []

    def number(self, text: str) -> int:
        """The place of a text among those kept."""
        shown = text[:TEXT], len(text)
        if shown not in self._numbers:
            self._numbers[shown] = len(self.kept)
            self.kept.append(self._room.keep(text))
        return self._numbers[shown]


class _Candidate:
    """What is kept of one candidate's calls."""

    def __init__(self, candidates: int) -> None:
        self.latencies_ms = array("d")
        self.outcomes = bytearray()
        self._most = max(1, MOST_CALLS // candidates)
        # Half of the room each, so that answers in plenty do not take it from the failures that come after them.
        self._telling: list[dict[str, Json]] = []
        self._passed: list[dict[str, Json]] = []
        self._rooms = (_Room(MOST_BYTES // candidates // 2), _Room(MOST_BYTES // candidates // 2))

    def add(self, row: CallRow, place: int) -> bool:
        """Note the next call; tell whether it may be shown."""
        outcome = row.outcome
        self.outcomes.append(_LETTERS[outcome])
        if row.answer and row.answer.latency_ms is not None:
            self.latencies_ms.append(row.answer.latency_ms)
        if row.record is None:
            return False
        passed = outcome is Outcome.PASSED
        kept = self._passed if passed else self._telling
        if len(kept) >= self._most:
            return False
        kept.append({"case": place, "trial": row.call.trial, **_told(row, row.record, self._rooms[passed])})
        return True

    def calls(self) -> list[dict[str, Json]]:
        """Those to show: what did not pass, and as many others as there is place for."""
        return self._telling + self._passed[: self._most - len(self._telling)]


class CaseSample:
    """What a page shows of single cases.

    Args:
        run: whose.
    """

    def __init__(self, run: RunData) -> None:
        candidates = list(run.groups)
        self._cases = run.rows.cases
        self._sent = Sent(run.manifest)
        self._of = {candidate: _Candidate(len(candidates)) for candidate in candidates}
        self._known: dict[int, dict[str, Json]] = {}
        self._room = _Room(MOST_BYTES // 2)
        self._texts = _Texts(_Room(MOST_BYTES // 2))

    def watch(self, rows: Iterable[CallRow]) -> Iterator[CallRow]:
        """Hand rows on, in the plan's order, and note what a page will show of them."""
        for row in rows:
            self._add(row)
            yield row

    def _add(self, row: CallRow) -> None:
        kept = self._of[row.call.model, row.call.prompt]
        place = len(kept.outcomes) % self._cases
        silent = row.record is None and len(self._known) < MOST_CALLS
        if (kept.add(row, place) or silent) and place not in self._known:
            self._known[place] = _described(row.case, self._room) | self._asked(row.case)

    def _asked(self, case: Case) -> dict[str, Json]:
        """The messages of its prompts, each a role and the number of a text: those of a prompt are much the same."""
        sent = {
            name: [[role, self._texts.number(text)] for role, text in messages]
            for name, messages in self._sent.messages(case).items()
        }
        return {"sent": sent} if sent else {}

    @property
    def latencies_ms(self) -> list[array[float]]:
        """How long every answer took, candidate by candidate."""
        return [kept.latencies_ms for kept in self._of.values()]

    def content(self) -> dict[str, Json]:
        """The cases and calls to show, as JSON.

        `cases` have under `outcomes` a letter for every call: candidate by candidate, trial by trial; under `sent`, by
        prompt, the messages' roles and the numbers of their texts in `texts`. `calls` name their case and candidate
        by place. `left_out` counts the finished calls that are not among these, `cases_left_out` the cases.
        """
        calls = [{"of": at} | call for at, kept in enumerate(self._of.values()) for call in kept.calls()]
        # Cases that nobody has answered are part of the run, and told of as such.
        silent = (place for place in self._known if set(self._outcomes(place)) <= {"m", "n"})
        places = sorted({call["case"] for call in calls}.union(silent))
        new_place = {place: at for at, place in enumerate(places)}
        cases = [self._known[place] | {"outcomes": self._outcomes(place)} for place in places]
        finished = sum(len(kept.outcomes) - kept.outcomes.count(b"m") - kept.outcomes.count(b"n") for kept in self._all)
        return {
            "cases": cases,
            "calls": [call | {"case": new_place[call["case"]]} for call in calls],
            "texts": self._texts.kept,
            "left_out": max(0, finished - len(calls)),
            "cases_left_out": self._cases - len(cases),
        }

    @property
    def _all(self) -> Iterable[_Candidate]:
        return self._of.values()

    def _outcomes(self, place: int) -> str:
        return "".join(kept.outcomes[place :: self._cases].decode() for kept in self._all)


def _described(case: Case, room: _Room) -> dict[str, Json]:
    return _known(
        {
            "id": case.id,
            "tags": list(case.tags),
            "vars": [[name, room.keep(compact(value))] for name, value in case.vars.items()],
            "turns": [room.keep(turn.user) for turn in case.turns],
            "expected": room.keep(expected_text(case.expected)),
        }
    )


def _told(row: CallRow, record: Record, room: _Room) -> dict[str, Json]:
    """All that is known of a finished call; what is not is left out."""
    usage, verdicts = record.usage, row.verdict.verdicts if row.verdict else ()
    return _known(
        {
            "output": room.keep(record.output),
            "tools": room.keep(compact(list(record.tool_calls))) if record.tool_calls else None,
            "turns": [room.keep(reply.output) for reply in record.turns],
            "error": room.keep(f"{row.error.kind}: {row.error.message}") if row.error else None,
            "score": row.verdict.value if row.verdict else None,
            "verdicts": [
                [one.scorer, one.score.passed, one.score.value, room.keep(one.score.reason), one.weight]
                for one in verdicts
            ],
            "latency_ms": _rounded(record.latency_ms),
            "ttft_ms": _rounded(record.ttft_ms),
            "queue_ms": _rounded(record.queue_ms),
            "retry_ms": _rounded(record.retry_ms),
            "retries": record.retries or None,
            "input_tokens": usage.input,
            "output_tokens": usage.output,
            "cost_usd": record.cost_usd,
            "finish": record.finish_reason,
            "served": record.served_model,
        }
    )


def _known(fields: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if value is not None and value != []}


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 3)
