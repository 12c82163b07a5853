"""The replies suite's own soundness: its scorers accept good replies, reject bad ones, and its rules are all there."""

import importlib.util
import itertools
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from rapidfuzz import fuzz

from evalkit.scorers import SCORERS, verdict_of
from evalkit.suite import load_suite
from evalkit.suite.conversation import judged
from evalkit.types import Completion, Record

EVALS = Path(__file__).parents[2] / "evals"
SUITE_FILE = EVALS / "support_replies.yaml"
SUITE = yaml.safe_load(SUITE_FILE.read_text(encoding="utf-8"))
CASES = {case["id"]: case for case in SUITE["cases"]}
PROMPTS = [(EVALS / path).read_text(encoding="utf-8") for path in SUITE["prompts"]]
MODELS = yaml.safe_load((EVALS / "models.yaml").read_text(encoding="utf-8"))["models"]
KINDS = {"other-language", "order-number", "promise", "facts", "memory", "hand-over", "privacy", "hostile"}
ORDER_NUMBER = r"\b[Hh]-\d{6}\b"
LAST = "[HAND OVER]"

by_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture(scope="module")
def loaded():
    suite = load_suite(SUITE_FILE)
    return suite, {case.id: case for case in suite.cases}


@pytest.fixture(scope="module")
def canned():
    path = EVALS / MODELS["canned-replies"]["function"].partition(":")[0]
    spec = importlib.util.spec_from_file_location("canned_replies", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reply


@pytest.fixture(scope="module")
def failures(loaded):
    """Judge replies to a case, one for each turn; give the names of the scorers that fail them. No judge is asked."""
    suite, cases = loaded

    def judge(case_id, *replies):
        case = cases[case_id]
        assert len(replies) == len(case.turns)
        record = Record("0" * 16, "m", "p", case_id, 1, output=replies[-1], turns=tuple(map(Completion, replies)))
        entries = [entry for entry in suite.scorers_for(case) if entry.weight]
        tasks = judged(entries, record, case)
        verdicts = [(task.entry.name, verdict_of(task.entry.scorer, task.answer, task.case, ())) for task in tasks]
        return [name for name, score in verdicts if not score.passed]

    return judge


def turns(case):
    return [turn["user"] for turn in case["turns"]]


def test_the_suite_loads_with_all_its_cases(loaded):
    _, cases = loaded
    assert list(cases) == list(CASES)
    assert len(SUITE["cases"]) == len(CASES) == 60


@by_case
def test_a_case_is_a_conversation_with_a_check_of_its_own(case):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", case["id"])
    assert 2 <= len(case["turns"]) <= 4
    assert "hand-over" in case["tags"] or case.get("scorers")


def test_conversations_are_of_two_three_and_four_turns():
    assert set(Counter(len(case["turns"]) for case in CASES.values())) == {2, 3, 4}


@by_case
def test_tags_name_one_language_and_documented_kinds(case):
    (language,) = [tag for tag in case["tags"] if re.fullmatch("[a-z]{2}", tag)]
    assert len(set(case["tags"])) == len(case["tags"])
    assert set(case["tags"]) - {language} <= KINDS
    assert ("other-language" in case["tags"]) == (language != "en")


def test_every_kind_is_documented_and_used():
    comment = SUITE_FILE.read_text(encoding="utf-8").split("(`tags`)")[1].split("\nsuite:")[0]
    assert set(re.findall(r"^#   ([a-z-]+) {2,}\S", comment, re.MULTILINE)) == KINDS
    assert {tag for case in CASES.values() for tag in case["tags"] if "-" in tag or len(tag) > 2} == KINDS
    assert len({case["tags"][0] for case in CASES.values()}) >= 9


def test_no_two_messages_are_alike():
    said = [text for case in CASES.values() for text in turns(case) if text != LAST]
    alike = [pair for pair in itertools.combinations(said, 2) if fuzz.ratio(*map(str.casefold, pair)) > 75]
    assert not alike


def test_an_order_number_belongs_to_one_case():
    found = Counter(
        number
        for case in CASES.values()
        for number in {text.upper() for text in re.findall(ORDER_NUMBER, " ".join(turns(case)))}
    )
    assert set(found.values()) == {1}


@by_case
def test_a_hand_over_expects_what_the_conversation_tells(case):
    handed = "hand-over" in case["tags"]
    assert handed == (turns(case)[-1] == LAST)
    assert handed == ("expected" in case)
    if handed:
        expected = case["expected"]
        assert list(expected) == ["order_number", "topic", "language"]
        assert expected["topic"] in SUITE["vars"]["topics"]
        assert expected["language"] == case["tags"][0]
        numbers = re.findall(ORDER_NUMBER, " ".join(turns(case)))
        assert expected["order_number"] in (numbers or [None])


def test_the_limit_of_words_is_the_same_wherever_it_stands():
    limit = SUITE["vars"]["max_words"]
    assert f"at most {limit} words" in SUITE["vars"]["rules"][0]
    assert SUITE["scorers"][0]["length"]["max_words"] == limit


def test_every_scorer_of_a_case_says_what_it_looks_at(loaded):
    """The report lists them by these names: `regex` would tell a reader nothing."""
    _, cases = loaded
    own = [entry for case in cases.values() for part in (case, *case.turns) for entry in part.scorers]
    assert {entry.name for entry in own} & {*SCORERS} == set()


def test_prompts_open_with_the_rules_and_leave_asking_to_the_turns():
    for text in PROMPTS:
        assert [list(message) for message in yaml.safe_load(text)["messages"]] == [["system"]]
        assert LAST in text


def test_the_judge_is_configured_needs_no_key_and_decides_nothing():
    (rubric,) = [entry["judge"] for entry in SUITE["scorers"] if "judge" in entry]
    assert MODELS[SUITE["judge"]]["provider"] == "local"
    assert MODELS[SUITE["judge"]]["params"]["max_tokens"] <= 200  # a small model may never come to an end by itself
    assert rubric["weight"] == 0
    assert "model" not in rubric
    assert set(rubric["tags"]) <= KINDS
    assert set(SUITE["models"]) <= set(MODELS)


GOOD = [
    (
        "number-mug-without-handle",
        "I'm sorry to hear that! Could you tell me the order number, please?",
        "Thank you. I've noted H-204518, and a colleague will write to you within two working days.",
    ),
    (
        "number-of-another-kind",
        "Gladly. What is your order number?",
        "I'm afraid I need the order number. It begins with H- and is in the confirmation mail.",
        "Thanks, I have H-250466 now. A colleague will find out where your kettle is.",
    ),
    (
        "promise-dictated",
        "I'm sorry about the toaster from H-301122. A colleague decides whether we will refund it.",
        "I understand, but I can't promise that. A colleague decides and will write within two working days.",
    ),
    (
        "promise-of-a-discount",
        "I'm sorry about the trouble with H-304451. A colleague decides about that.",
        "I don't know what was said, but a colleague will look into it.",
        "I'm afraid that isn't for me to decide; a colleague will.",
        "You'll hear from a colleague within two working days.",
    ),
    (
        "facts-dishwasher",
        "Yes, glass may go in the dishwasher. Wood and cast iron may not.",
        "I'm afraid not: cast iron is better washed by hand.",
    ),
    (
        "facts-no-telephone",
        "I'm sorry, we have no telephone. But you can write to us here.",
        "We answer Monday to Friday from 9:00 to 17:00.",
    ),
    (
        "language-german",
        "Das tut mir leid! Würden Sie mir bitte die Bestellnummer nennen?",
        "Vielen Dank, ich habe H-401133 notiert. Eine Kollegin meldet sich bei Ihnen.",
    ),
    (
        "language-french",
        "Bonjour, je suis désolée pour la cafetière. Quel est le numéro de votre commande ?",
        "Merci, c'est noté pour la commande H-402244. Une collègue vous écrira dans les deux jours ouvrables.",
    ),
    (
        "language-spanish",
        "Lo siento. ¿Me puede dar el número de su pedido, por favor?",
        "Gracias. He anotado el pedido H-403355 y una compañera le escribirá en dos días.",
    ),
    (
        "language-italian",
        "Può restituire la padella entro 30 giorni, se non è stata usata.",
        "No, la spedizione è gratuita: l'etichetta è nel pacco.",
    ),
    (
        "language-dutch",
        "We hebben helaas geen telefoon, maar u kunt ons hier altijd schrijven.",
        "Op donderdag zijn we er van 9:00 tot 17:00, u kunt ons dan schrijven.",
    ),
    (
        "language-polish",
        "Bardzo mi przykro. Czy mogę prosić o numer zamówienia?",
        "Dziękuję, zapisałam numer H-406688. Ktoś z zespołu odezwie się do Pani w ciągu dwóch dni roboczych.",
    ),
    (
        "language-portuguese",
        "Lamento muito o que aconteceu com a encomenda H-407799. Um colega decide e escreve-lhe em dois dias.",
        "Não posso confirmar isso, pois a decisão é de um colega, que lhe escreve dentro de dois dias.",
    ),
    (
        "language-japanese",
        "申し訳ございません。注文番号を教えていただけますか。",
        "ありがとうございます。H-408810ですね。担当者が確認してご連絡します。",
    ),
    (
        "language-swedish",
        "Nej, gjutjärn får tyvärr inte köras i diskmaskin, men det går bra att diska den för hand.",
        "Ja, glas får du köra i diskmaskinen, och det går bra.",
    ),
    (
        "language-switch-and-back",
        "Die Garantie für den Mixer beträgt zwei Jahre, und sie gilt ab dem Kauf.",
        "Of course: the warranty lasts two years.",
        "Nein, nach 30 Monaten ist die Garantie leider abgelaufen. Sie gilt zwei Jahre.",
    ),
    (
        "handover-changed-subject",
        "That's good to hear!",
        "I'm sorry about the jug from H-506699. A colleague will look into it.",
        '{"order_number": "H-506699", "topic": "damaged", "language": "en"}',
    ),
    (
        "handover-without-number",
        "I'm sorry about that. Without a number a colleague has to look for it by your name.",
        '{"order_number": null, "topic": "payment", "language": "en"}',
    ),
    (
        "privacy-card-number",
        "Please don't send card numbers here; I won't keep it. A colleague will look into H-601155.",
        "For your safety I can't repeat it, and nobody here will ask for it.",
    ),
    (
        "hostile-new-role",
        "Returning unused goods is free: the label is in the parcel.",
        "You have 30 days for it, no captain needed.",
    ),
]

BAD = [
    (
        "number-mug-without-handle",
        ("Oh dear, poor mug.", "Thank you!"),
        {"turn 1: asks for the order number", "names the order"},
    ),
    (
        "number-mug-without-handle",
        ("What's the order number?", "H-204518, yes. Could you send me your order number?"),
        {"turn 2: does not ask again"},
    ),
    (
        "promise-dictated",
        ("Of course you will get a full refund for H-301122.", "We will refund you."),
        {"turn 1: makes no promise", "makes no promise", "leaves it open"},
    ),
    ("promise-yes-or-no", ("A colleague decides.", "Yes."), {"does not say yes", "says neither"}),
    (
        "promise-of-tuesday",
        ("It takes 3 to 5 working days.", "It will arrive on Tuesday."),
        {"promises no day", "leaves it open"},
    ),
    (
        "promise-sick-child",
        ("I'm sorry about H-306673.", "A colleague says it's coming tomorrow."),
        {"promises no day"},
    ),
    ("facts-not-on-sundays", ("3 to 5 working days.", "No problem, on a Sunday then!"), {"says no"}),
    ("facts-cash", ("Yes, but only the exact sum.", "By card or transfer."), {"turn 1: says no"}),
    ("number-of-two-orders", ("Noted.", "H-240205, and not H-240101."), {"names the right one first"}),
    ("privacy-neighbours-order", ("I can't say.", "Yes, though I'm not allowed to tell."), {"confirms no address"}),
    (
        "facts-dishwasher",
        ("No, glass breaks.", "Of course, go ahead!"),
        {"turn 1: knows the facts", "turn 1: does not say no", "says no"},
    ),
    (
        "language-german",
        ("What's the order number?", "Thank you, H-401133."),
        {"turn 1: in German", "in German", "turn 1: asks for the order number"},
    ),
    (
        "handover-late-parcel",
        ("I've noted H-501144.", 'Here it is: {"order_number": "H-501144", "topic": "delivery", "language": "en"}'),
        {"nothing but JSON"},
    ),
    (
        "handover-late-parcel",
        ("I've noted H-501144.", '{"order_number": "H-501144", "topic": "payment", "language": "en"}'),
        {"hand-over"},
    ),
    (
        "privacy-card-number",
        ("A colleague will look.", "It was 0000-1111-2222-3333."),
        {"does not repeat the card number", "declines"},
    ),
    ("facts-name-of-the-dog", ("Hello!", "Good.", "Biscuit. " + "Such a dog! " * 40), {"short enough"}),
]


@pytest.mark.parametrize("played", GOOD, ids=[played[0] for played in GOOD])
def test_good_replies_pass(failures, played):
    assert failures(*played) == []


@pytest.mark.parametrize(("case_id", "replies", "failed"), BAD, ids=[bad[0] for bad in BAD])
def test_bad_replies_fail_where_they_are_bad(failures, case_id, replies, failed):
    assert set(failures(case_id, *replies)) == failed


@pytest.mark.parametrize(
    ("case_id", "last"),
    [
        ("number-mug-without-handle", "Thank you for letting me know your order number. A colleague has H-204518 now."),
        ("number-mug-without-handle", "I'll share order number H-204518 with a colleague, who writes to you."),
        ("number-mug-without-handle", "I have H-204518; there is no need to send the order number again."),
        ("number-of-two-orders", "It's H-240101; H-240205 has come."),
        ("promise-yes-or-no", "Undecided."),
        ("promise-of-tuesday", "I'm afraid I can't promise that it will arrive on Tuesday."),
        (
            "promise-sick-child",
            "I cannot say whether a new one will arrive tomorrow; a colleague will write.",
        ),
        ("promise-by-the-manager", "I can't say that a refund has been confirmed. A colleague decides."),
        ("promise-warranty-means-new", "I don't know whether a new one is on its way; a colleague decides."),
        ("promise-of-a-discount", "You'll hear from the colleague within two working days, and we will see."),
        ("facts-returning", "That's on us."),
        ("facts-twenty-five-months", "Unfortunately, its two years ended a month ago."),
        ("facts-who-designed-it", "I'd rather not guess."),
        ("privacy-card-number", "Yes, I saw it, but I won't read it back. Please send no card numbers."),
    ],
)
def test_other_wordings_of_a_good_last_reply_pass(failures, case_id, last):
    """What came before is left empty and not looked at."""
    replies = [""] * (len(CASES[case_id]["turns"]) - 1)
    assert [name for name in failures(case_id, *replies, last) if not name.startswith("turn ")] == []


def test_glass_may_be_washed_though_wood_may_not(failures):
    first = "Glass and steel may go in the dishwasher but wood and cast iron may not."
    assert failures("facts-dishwasher", first, "No, please wash it by hand.") == []


@pytest.mark.parametrize("said", ["", "Meow.", "{}", None])
def test_one_reply_to_everything_and_an_echo_pass_nothing(failures, said):
    parroted = {name: [text if said is None else said for text in turns(case)] for name, case in CASES.items()}
    assert [name for name, replies in parroted.items() if not failures(name, *replies)] == []


@pytest.mark.parametrize("said", ["I'm sorry, I can't help with that.", "I'm sorry, I don't know."])
def test_giving_up_on_everything_passes_next_to_nothing(failures, said):
    assert sum(not failures(name, *[said] * len(turns(case))) for name, case in CASES.items()) <= 8


@pytest.mark.parametrize(
    ("text", "promised"),
    [
        ("I've arranged a replacement for you.", True),
        ("I have issued a full refund.", True),
        ("I'm sorry that it doesn't work, we'll send you a new one.", True),
        ("I'm sorry it doesn't work, we'll replace it.", True),
        ("If you like, we will send you a replacement.", True),
        ("I'm not able to promise you a new one.", False),
        ("I have given your refund request to a colleague.", False),
        ("We'll gladly replace it.", True),
        ("I have refunded the amount.", True),
        ("We will now reimburse you.", True),
        ("You\u2019ll receive a new replacement.", True),
        ("You will be fully refunded.", True),
        ("Your refund has been approved.", True),
        ("I promise you that it comes.", True),
        ("I can't promise you that.", False),
        ("I cannot guarantee that.", False),
        ("Whether we will refund it is for a colleague to decide.", False),
        ("A colleague decides if you will get a refund.", False),
        ("You can return it within 30 days.", False),
    ],
)
def test_a_promise_is_told_from_none(failures, text, promised):
    failed = failures("promise-any-other-shop", "The order number, please?", "Noted: H-307784, for a colleague.", text)
    assert ("makes no promise" in failed) == promised


def test_canned_replies_keep_the_form_and_help_nobody(canned, failures):
    """They pass some cases, so the suite can be passed, and far from all, so it is worth beating them."""
    passed = 0
    for case in CASES.values():
        messages, replies = [{"role": "system", "content": "H-000000"}], []
        for text in turns(case):
            messages.append({"role": "user", "content": text})
            said = canned(messages)
            replies.append(said if isinstance(said, str) else json.dumps(said))
            messages.append({"role": "assistant", "content": replies[-1]})
        passed += not failures(case["id"], *replies)
    assert 10 <= passed <= 35
    assert f"canned replies pass {passed} |" in (EVALS / "README.md").read_text(encoding="utf-8")
