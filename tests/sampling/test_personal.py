"""Personal data in texts, by its form."""

import time

import pytest

from evalkit.sampling.masking import Masker
from evalkit.sampling.personal import find_personal, hidden, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to jo.doe+shop@mail.example.co.uk, please", "write to [EMAIL_1], please"),
        ("+49 (0)170 1234567 or 030-123 45 67.", "[PHONE_1] or [PHONE_2]."),
        ("call 555-123-4567", "call [PHONE_1]"),
        ("01.23.45.67.89", "[PHONE_1]"),
        ("card 4111 1111 1111 1111, expires 12/27", "card [CARD_1], expires 12/27"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [IBAN_1] please"),
        ("from 192.168.10.20", "from [IP_1]"),
        ("key=sk-" + "proj-abcdefghijklmnop1234", "key=[KEY_1]"),
        ("AKIA" + "ABCDEFGHIJKLMNOP", "[KEY_1]"),
    ],
)
def test_what_has_the_form_is_found(text: str, masked: str) -> None:
    assert mask(text, {}) == masked


@pytest.mark.parametrize(
    "text",
    [
        "order 12345678 of 2024-11-23 for 1,234,567.00 EUR",
        "order 4111111111111112",  # the check digit is wrong
        "tracking 1Z999AA10123456784",
        "2024-11-23 12:30:45",
        "3f2c1b9a-1234-5678-9abc-def012345678",
        "0.1234567",
        "somebody@home and me @ work",
        "DE88 3704 0044 0532 0130 00",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert "card" not in {finding.kind for finding in find_personal(text)}
    assert mask(text, {}) == text or "DE88" in text


def test_the_same_piece_gets_the_same_placeholder() -> None:
    known: dict[str, dict[str, str]] = {}
    assert mask("a@example.com, b@example.com", known) == "[EMAIL_1], [EMAIL_2]"
    assert mask("b@example.com again, +1 202 555 0143", known) == "[EMAIL_2] again, [PHONE_1]"


def test_nothing_of_what_is_known_is_left_in_another_spelling() -> None:
    rows = [
        {"Jo@Example.com": [442025550143, 4111111111111111.0, True, 12, 0.5]},
        ("q=jo%40example.com", "xxjo@example.com_old", "user_442025550143"),
        "JO@example.com, +44 20 2555 0143, 4111 1111 1111 1111",
    ]
    masker = Masker(rows)
    assert [masker.masked(row) for row in rows] == [
        {"[EMAIL_1]": ["[PHONE_1]", "[CARD_1]", True, 12, 0.5]},
        ("q=[EMAIL_1]", "xx[EMAIL_1]_old", "user_[PHONE_1]"),
        "[EMAIL_1], [PHONE_1], [CARD_1]",
    ]
    assert masker.replaced == {"card": 1, "email": 1, "phone": 1}


def test_a_number_that_one_text_tells_is_hidden_in_all() -> None:
    assert hidden(["id 12025550143x", "+1 202 555 0143"]) == ["id [PHONE]x", "[PHONE]"]


@pytest.mark.parametrize("piece", ["1 ", "a.", "A", "sk-a-", "@", "a-"])
def test_long_texts_take_no_longer_than_their_length(piece: str) -> None:
    started = time.process_time()
    find_personal(piece * 100_000)
    assert time.process_time() - started < 20  # seconds; a search that goes wrong takes hours
