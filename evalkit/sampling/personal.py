"""Personal data and secrets in texts, found by their form: mail and network addresses, phone and card numbers, keys.

Names, places and anything else without a form of its own are not found: this helps a person who looks, it does not
take the place of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

_CARD: Final = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_PHONE: Final = re.compile(r"(?<![\w.,/+-])(?:\+|00)?\(?\d(?:[ ()./-]{0,2}\d){6,14}(?![\w-]|[.,]\d)")
_NUMBER: Final = re.compile(r"\d(?:[ ()./-]{0,2}\d){6,33}")
"""Digits in which a number that is known may stand, whatever stands around it."""
_DATE: Final = re.compile(r"(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:\d{4}|\d{2}))(?!\S)")
_PATTERNS: Final[Mapping[str, re.Pattern[str]]] = {
    "email": re.compile(r"(?<![\w.+-])[\w.+%-]{1,64}?(?:@|%40)(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?!\w)"),
    "key": re.compile(
        r"(?<![\w-])(?:"
        r"(?:sk|pk|rk)[-_](?:[A-Za-z0-9]+[-_])*[A-Za-z0-9_-]{16,}"  # OpenAI, Anthropic, Stripe
        r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}"
        r"|A(?:KIA|SIA)[A-Z0-9]{16}|AIza[\w-]{35}|hf_[A-Za-z0-9]{30,}|xox[abprs]-[\w-]{10,}"
        r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+"  # a JSON web token
        r")|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]*-----END [A-Z ]*PRIVATE KEY-----)?"
    ),
    "ip": re.compile(r"(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w-]|\.\d)"),
    "iban": _IBAN,
    "card": _CARD,
    "phone": _PHONE,
}
"""By kind, those first that others would take for theirs."""
_PHONE_KIND: Final = "phone"
_NUMBERS: Final = ("card", _PHONE_KIND)


class Finding(NamedTuple):
    """A piece of a text: of what kind it seems to be, and where it starts and ends."""

    kind: str
    start: int
    end: int


def find_personal(text: str, numbers: AbstractSet[str] = frozenset()) -> list[Finding]:
    """Find what looks like personal data or a secret, in the order of the text.

    Args:
        text: the text.
        numbers: the digits of further numbers that are known, from elsewhere, to be somebody's.
    """
    found: list[Finding] = []
    taken = bytearray(len(text))

    def take(kind: str, start: int, end: int) -> None:
        if not any(taken[start:end]):
            taken[start:end] = b"\1" * (end - start)
            found.append(Finding(kind, start, end))

    for kind, pattern in _PATTERNS.items():
        for match in pattern.finditer(text):
            if _CHECKS.get(kind, bool)(match.group()):
                take(kind, *match.span())
    if numbers:
        for match in _NUMBER.finditer(text):
            if same(_PHONE_KIND, match.group()) in numbers:
                take(_PHONE_KIND, *match.span())
    return sorted(found, key=lambda one: one.start)


def same(kind: str, piece: str) -> str:
    """Leave of a piece what is the same however it is spelled: small letters, digits without what separates them."""
    if kind in _NUMBERS:
        return "".join(sign for sign in piece if sign.isdigit()).lstrip("0")
    return piece.casefold().replace("%40", "@") if kind == "email" else piece.replace(" ", "")


def mask(text: str, known: dict[str, dict[str, str]]) -> str:
    """Put a placeholder such as [EMAIL_1] in the place of every finding.

    Args:
        text: the text.
        known: the placeholders given so far, by kind and what they stand for; the same piece gets the same one,
            however it is spelled. New ones are added.
    """

    def placeholder(kind: str, piece: str) -> str:
        bare = same(kind, piece)
        if kind in _NUMBERS:
            kind = next((one for one in _NUMBERS if bare in known.get(one, ())), kind)
        numbered = known.setdefault(kind, {})
        return numbered.setdefault(bare, f"[{kind.upper()}_{len(numbered) + 1}]")

    numbers = {bare for kind in _NUMBERS for bare in known.get(kind, ())}
    return "".join(_replaced(text, placeholder, numbers))


def hidden(texts: Iterable[str]) -> list[str]:
    """Put its kind, such as [EMAIL], in the place of every finding; a number that one text tells is found in all."""
    listed = list(texts)
    numbers = {
        same(kind, text[start:end]) for text in listed for kind, start, end in find_personal(text) if kind in _NUMBERS
    }
    return ["".join(_replaced(text, lambda kind, _: f"[{kind.upper()}]", numbers)) for text in listed]


def _replaced(text: str, placeholder: Callable[[str, str], str], numbers: AbstractSet[str]) -> Iterator[str]:
    end = 0
    for finding in find_personal(text, numbers):
        yield text[end : finding.start] + placeholder(finding.kind, text[finding.start : finding.end])
        end = finding.end
    yield text[end:]


def _is_card(piece: str) -> bool:
    """Whether the digits have a card's length and pass the check of ISO/IEC 7812-1 (Luhn)."""
    digits = [int(sign) for sign in piece if sign.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(piece: str) -> bool:
    """Whether the check digits are right (ISO 13616: the remainder by 97 is 1)."""
    bare = piece.replace(" ", "")
    turned = bare[4:] + bare[:4]
    return 15 <= len(bare) <= 34 and int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def _is_phone(piece: str) -> bool:
    """Whether a number is written as phone numbers are: with + or 0 first, or in groups; a date is none."""
    groups = re.findall(r"\d+", piece)
    digits = sum(map(len, groups))
    if not 7 <= digits <= 15 or _DATE.match(piece) or ("." in piece and len(groups) < 3):
        return False
    return piece.startswith(("+", "0", "(")) or (digits >= 9 and len(groups) >= 3)


_CHECKS: Final = {"card": _is_card, "iban": _is_iban, "phone": _is_phone}
