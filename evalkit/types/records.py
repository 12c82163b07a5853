"""What a run asks, and what it keeps of the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.types.base import Json
from evalkit.types.messages import Completion, Usage


@dataclass(frozen=True, slots=True)
class Call:
    """One question to one model: model x prompt x case x trial. Whoever asks the same has the same `call_id`."""

    call_id: str
    model: str
    prompt: str
    case_id: str
    trial: int


@dataclass(frozen=True, slots=True)
class RecordError:
    """Why a call has no answer."""

    kind: str
    message: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """The journal row of a finished call: an answer (`output` is a string) or an error (`error` is set).

    Times in milliseconds on a monotonic clock; `started_at` is UTC, ISO 8601. `cost_usd` is by the prices in force when
    the call was made, or, where `billed` is set, what the provider said it billed. The other fields are as in
    `Completion`.

    `turns` holds every reply of a scripted conversation. The answer is then the last one; times, tokens and cost are
    the sums of all, and `ttft_ms` is the first one's.
    """

    call_id: str
    model: str
    prompt: str
    case_id: str
    trial: int
    output: str | None = None
    tool_calls: tuple[Json, ...] = ()
    finish_reason: str | None = None
    finish_reason_raw: str | None = None
    logprobs: Json = None
    usage: Usage = field(default_factory=Usage)
    queue_ms: float | None = None
    retry_ms: float | None = None
    ttft_ms: float | None = None
    latency_ms: float | None = None
    client_ms: float | None = None
    server_ms: Mapping[str, float] = field(default_factory=dict)
    attempts: int = 1
    served_model: str | None = None
    fingerprint: str | None = None
    cost_usd: float | None = None
    billed: bool = False
    dropped_params: tuple[str, ...] = ()
    turns: tuple[Completion, ...] = ()
    error: RecordError | None = None
    started_at: str = ""

    @property
    def retries(self) -> int:
        """Attempts beyond those that had to be made: one, or one for each turn of a conversation."""
        asked = max(1, len(self.turns) + (self.error is not None))
        return max(0, self.attempts - asked)
