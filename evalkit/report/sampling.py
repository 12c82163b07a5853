"""How well a sample stands for what it was drawn from: sheets for people, figures for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from evalkit.report import format as fmt
from evalkit.report.sheets import Sheet
from evalkit.sampling.draw import KindShare, Sample
from evalkit.types import Json

_EXAMPLES: Final = 8
_COMMONEST: Final = 12
_RAREST: Final = 8
_ROWS: Final = 20
_CHARS: Final = 60
_STRATA: Final = {"length": "Length", "language": "Language", "time": "Time", "tag": "Tag"}
_NOT_FOUND: Final = (
    "Names, places, and whatever else has no form of its own are not found: read the sample before you pass it on."
)
_BOILERPLATE: Final = (
    "More than half of the inputs are near repeats. If they share a long text around what differs, name the column "
    "that differs with --text, or count only what is word for word the same: --near 1."
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """A sample with what people want to see of it.

    Attributes:
        sample: the sample.
        texts: of all inputs.
        masked: how many different pieces of each kind of personal data were replaced; None where nothing was to be.
        unread: rows of the source that could not be used.
    """

    sample: Sample
    texts: Sequence[str]
    masked: Mapping[str, int] | None = None
    unread: int = 0


def coverage_sheets(found: Coverage) -> list[Sheet]:
    """All that people need to know."""
    sample = found.sample
    return [
        Sheet("", before=tuple(_head(found))),
        *_repeats(found),
        *_kinds(sample.kinds),
        *(_stratum(name, found) for name in sample.strata),
        _personal(found),
    ]


def _head(found: Coverage) -> Iterator[str]:
    sample = found.sample
    exact = sum(repeat.alike == 1 for repeat in sample.repeats)
    near = len(sample.repeats) - exact
    yield (
        f"{fmt.counted(len(sample.chosen), 'case')} chosen to stand for {fmt.counted(sample.inputs, 'input')}: "
        f"{fmt.count(sample.inputs - len(sample.repeats))} different ones, {fmt.counted(exact, 'repeat')} word for "
        f"word and {fmt.counted(near, 'near repeat')} left out."
    )
    if found.unread:
        yield f"{fmt.counted(found.unread, 'row')} of the source could not be used."
    if 2 * near > sample.inputs:
        yield _BOILERPLATE
    low, middle, _ = sample.nearness
    yield (
        f"How near the nearest chosen one is (1: the same words, 0: nothing in common): 95 % of inputs have one at "
        f"least {low:.2f} near, half of them at least {middle:.2f}."
    )


def _repeats(found: Coverage) -> Iterator[Sheet]:
    repeats = found.sample.repeats
    if not repeats:
        return
    # What is nearly the same is worth a look, the least alike most of all.
    shown = sorted(repeats, key=lambda repeat: (repeat.alike, repeat.place))[:_EXAMPLES]
    rows = tuple((_short(found.texts[one.place]), _short(found.texts[one.first]), f"{one.alike:.2f}") for one in shown)
    yield Sheet(
        "Left out as repeats, the least alike first",
        ("left out", "kept", "alike"),
        rows,
        after=("If these are not the same, draw again with a higher --near.",),
    )


def _kinds(kinds: Sequence[KindShare]) -> Iterator[Sheet]:
    header = ("kind, by its words", "inputs", "chosen")
    rare = [kind for kind in kinds[_COMMONEST:] if kind.chosen][-_RAREST:]
    for title, some in (
        (f"The commonest of {fmt.counted(len(kinds), 'kind')} found", kinds[:_COMMONEST]),
        ("The rarest kinds, kept on purpose", rare),
    ):
        if some:
            rows = tuple((_short(kind.name), fmt.count(kind.inputs), fmt.count(kind.chosen)) for kind in some)
            yield Sheet(title, header, rows)


def _stratum(name: str, found: Coverage) -> Sheet:
    title = _STRATA.get(name, name)
    rows = tuple(
        (share.value, fmt.percent(share.inputs), fmt.percent(share.sample)) for share in found.sample.strata[name]
    )
    return Sheet(title, (title.lower(), "of inputs", "of the sample"), rows)


def _personal(found: Coverage) -> Sheet:
    title = "What looks like personal data"
    if found.masked is not None:
        rows = tuple((kind, fmt.count(pieces)) for kind, pieces in found.masked.items())
        nothing = () if rows else ("Nothing was found that looks like it.",)
        return Sheet(f"{title}: replaced", ("kind", "different ones"), rows, nothing, (_NOT_FOUND,))
    listed = tuple((kind, fmt.count(len(places)), _places(places)) for kind, places in found.sample.personal.items())
    after = ("Replace it with --mask.", _NOT_FOUND) if listed else (_NOT_FOUND,)
    nothing = () if listed else ("Nothing was found in the sample that looks like it.",)
    return Sheet(title, ("kind", "cases", "inputs, counted from 1"), listed, nothing, after)


def _places(places: Sequence[int]) -> str:
    more = len(places) - _ROWS
    listed = ", ".join(str(place + 1) for place in places[:_ROWS])
    return f"{listed}, and {more} more" if more > 0 else listed


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CHARS else f"{line[: _CHARS - 3]}..."


def coverage_json(found: Coverage) -> Json:
    """The same for programs, with every chosen input and every repeat by its place, counted from 1."""
    sample = found.sample
    low, middle, high = sample.nearness
    return {
        "inputs": sample.inputs,
        "unread": found.unread,
        "chosen": [
            {"input": place + 1, "stands_for": count}
            for place, count in zip(sample.chosen, sample.stands_for, strict=True)
        ],
        "repeats": [
            {"input": one.place + 1, "repeats": one.first + 1, "alike": round(one.alike, 4)} for one in sample.repeats
        ],
        "kinds": [kind._asdict() for kind in sample.kinds],
        "strata": {name: [share._asdict() for share in shares] for name, shares in sample.strata.items()},
        "nearness": {"p5": low, "p50": middle, "p95": high},
        "personal": {kind: [place + 1 for place in places] for kind, places in sample.personal.items()},
        "masked": None if found.masked is None else dict(found.masked),
    }
