from __future__ import annotations

import gc
import json
import math
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evalkit import yaml12
from evalkit.errors import ConfigError, ConfigErrors, Location
from evalkit.yaml12 import parser


def load(text: str, *literal_keys: str) -> yaml12.Document:
    return yaml12.load(text, path="f.yaml", literal_keys=frozenset(literal_keys))


@pytest.fixture(params=["c", "pure python"])
def composer(request, monkeypatch):
    if request.param == "pure python":
        monkeypatch.setattr(parser, "_composer", parser.PurePythonComposer)


TEXTS = (
    *("no", "yes", "on", "off", "y", "n", "No", "nULL", "tRUE", "inf", "nan", "Infinity"),
    *("12:30", "2024-01-01", "1_000", "0123", "-0123", "01.5", "1,000", "1.2.3", "1 000", "\u0663"),
    *("0b11", "0o8", "0xg", "1e", "e5", "+", ".", "..", "-x"),
)


@pytest.mark.parametrize("text", TEXTS)
def test_what_reads_as_text_stays_text(text, composer):
    assert load(f"a: {text}").data == {"a": text}
    assert load(f"a: {text}", "a").data == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("0", 0),
        ("-7", -7),
        ("+5", 5),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1e-6", 1e-6),
        (".inf", math.inf),
        ("-.INF", -math.inf),
    ],
)
def test_core_scalars(text, value, composer):
    got = load(f"a: {text}").data["a"]
    assert got == value
    assert type(got) is type(value)


def test_nan():
    assert math.isnan(load("a: .nan").data["a"])


@pytest.mark.parametrize("quoted", ["'1'", '"1"', "|-\n 1", ">-\n 1", "!!str 1"])
def test_quoted_numbers_are_text(quoted, composer):
    assert load(f"a: {quoted}").data == {"a": "1"}


@pytest.mark.parametrize("text", ["1.10", "1e3", "+5", "0x1F", ".5", "1.", "-0", ".nan", ".inf", "1e-6"])
def test_numbers_under_literal_keys_stay_as_typed(text):
    document = load(f"a: {{b: [{text}], c: {text}}}\nd: {{b: {text}}}", "a.b")
    assert document.data["a"]["b"] == [text]
    assert document.data["a"]["c"] != text
    assert document.data["d"]["b"] != text


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("-3", -3), ("1.0", 1.0), ("2.5", 2.5), ("true", True), ("null", None)]
)
def test_plain_values_under_literal_keys_keep_their_type(text, value):
    assert load(f"a: {{deep: {text}}}", "a").data == {"a": {"deep": value}}


def test_literal_keys_look_through_lists_and_nested_names():
    text = "cases:\n- {vars: {n: 1.10}, weight: 1.10}\nvars: {n: 1.10}\nother: {vars: 1.10}"
    data = load(text, "vars", "cases.vars").data
    assert data == {
        "cases": [{"vars": {"n": "1.10"}, "weight": 1.1}],
        "vars": {"n": "1.10"},
        "other": {"vars": 1.1},
    }


def test_an_alias_reads_differently_under_a_literal_key():
    assert load("a: &x [1.10]\nb: *x", "b").data == {"a": [1.1], "b": ["1.10"]}


def test_numbers_too_long_for_python_stay_text():
    digits = "9" * 5000
    assert load(f"a: {digits}").data == {"a": digits}


def test_keys_are_the_text_that_was_typed():
    assert load("1: a\n1.0: b\nno: c\nnull: d\n'': e\n~: f").data == {
        "1": "a",
        "1.0": "b",
        "no": "c",
        "null": "d",
        "": "e",
        "~": "f",
    }


def test_explicit_tags():
    text = "[!!int 3, !!int '3', !!float 1, !!bool true, !!null '', !!seq [1], !!map {a: 1}]"
    data = load(text).data
    assert data == [3, 3, 1.0, True, None, [1], {"a": 1}]
    assert type(data[2]) is float


def test_merge_keys():
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {x: 3, <<: [*a, *b]}\nd: {<<: *b}\ne: {'<<': 1}"
    data = load(text).data
    assert data["c"] == {"x": 3, "y": 1, "z": 2}
    assert data["d"] == {"y": 2, "z": 2}
    assert data["e"] == {"<<": 1}


def test_empty_text_is_null():
    document = load("# nothing\n")
    assert document.data is None
    assert document.where(("a",)) == Location("f.yaml", 1, 1)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: b: c", "1:5", "':' stands where no key can be"),
        ("a: 1\n b: 2", "2:3", "':' stands where no key can be"),
        ("a:\n\tb: 1", "2:1", "tab"),
        ("a: |\n\tx", "2:1", "tab"),
        ("a: @x", "1:4", "cannot start with '@'"),
        ("a: `x`", "1:4", "cannot start with '`'"),
        ("a: %x", "1:4", "cannot start with '%'"),
        ("a: **bold**", "1:4", "cannot start with '*'"),
        ("a: *foo", "1:4", "anchor"),
        ("a: !f!x y", "1:4", "cannot start with '!'"),
        ("a: 'x", "1:4", "never closed"),
        ("a: 'x' y", "1:8", "does not fit"),
        ("a:\n  - b\n c: 1", "3:2", "does not fit the block it stands in (it begins on line 1)"),
        ("a: 1 # c\nb", "2:1", "neither `key: value`"),
        ("a: [1,\n2\nb: 3", "3:2", "list in '[...]' is not closed"),
        ("a: {b: 1\nc: 2", "2:2", "mapping in '{...}'"),
        ("a: - b", "1:4", "list item"),
        ("a: ]", "1:4", "value is missing here"),
        ("a: |x\n  b", "1:5", "on the same line"),
        ("a: 1\n---\nb: 1", "2:1", "second document"),
        ("a: &x 1\nb: &x 2", "2:4", "defined twice"),
        ("a: \x00", "1:4", "U+0000"),
        ("a: 1\nb: x\x07", "2:5", "U+0007"),
        ("a: \ud800", "1:4", "U+D800"),
        ("? [a]\n: 1", "1:3", "a key must be"),
        ("a: !foo x", "1:4", "unknown tag !foo"),
        ("a: !!python/object/apply:os.system [x]", "1:4", "unknown tag !!python/object"),
        ("a: !!binary aGk=", "1:4", "unknown tag !!binary"),
        ("a: !!set {b}", "1:4", "unknown tag !!set"),
        ("!x k: 1", "1:1", "unknown tag !x"),
        ("a: !!int x", "1:4", '"x" is not int'),
        ("a: !!bool yes", "1:4", '"yes" is not bool'),
        ("a: {<<: 3}", "1:9", "'<<' takes"),
        ("a: &a [1, *a]", "1:4", "contains itself"),
        ("a: &a {b: {<<: *a}}", "1:4", "contains itself"),
        ("a: 1\nb: 2\na: 3", "3:1", '"a" is given twice, first on line 1'),
        ("a: 1\n'a': 3", "2:1", '"a" is given twice, first on line 1'),
    ],
)
def test_errors_say_where_and_what(text, place, words, composer):
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert str(caught.value.where) == f"f.yaml:{place}"
    assert words in caught.value.message


@pytest.mark.parametrize("text", ["a: [", "a: [1", "a: {b: 1", "a: {"])
def test_a_file_that_ends_too_early(text, composer):
    with pytest.raises(ConfigError, match="; the file ends here"):
        load(text)


@pytest.mark.parametrize("text", ['a: "\\q"', 'a: "\\xzz"'])
def test_unknown_escapes(text, composer):
    with pytest.raises(ConfigError, match=r"^f\.yaml:1:\d: an unknown escape"):
        load(text)


def test_the_parser_s_own_words_where_there_are_no_better_ones():
    with pytest.raises(ConfigError, match=r"f\.yaml:1:5: .*unknown directive"):
        load("%FOO\n")


def test_all_duplicate_keys_are_reported_at_once():
    with pytest.raises(ConfigErrors) as caught:
        load("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert [str(error.where) for error in caught.value.errors] == ["f.yaml:2:1", "f.yaml:3:11"]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "[" * 101 + "]" * 101])
def test_deep_nesting_is_refused(text, composer):
    with pytest.raises(ConfigError, match="nested more than 100 levels deep"):
        load(text)


def test_nesting_within_the_limit(composer):
    assert load("[" * 100 + "]" * 100).data


def test_depth_counts_what_aliases_add():
    with pytest.raises(ConfigError, match="nested more than 100 levels deep"):
        load(f"a: &a {'[' * 60}{']' * 60}\nb: {'[' * 60}*a{']' * 60}")


def test_alias_bombs_are_refused_quickly(composer):
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    started = time.process_time()
    with pytest.raises(ConfigError, match="expand to over 1,000,000 values"):
        load("\n".join(lines))
    assert time.process_time() - started < 2


def test_size_limit(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_text("a: " + "x" * 200)
    with pytest.raises(ConfigError, match="larger than"):
        yaml12.load_file(file, max_bytes=100)
    with pytest.raises(ConfigError, match="larger than"):
        yaml12.load(file.read_text(), path=file, max_bytes=100)


def test_where():
    document = load("a:\n  - b: 1\n    c: [x, 'y']\nd: &d {e: 1}\nf: {<<: *d, g: 2}\nh: {<<: [*d]}\n")
    assert str(document.where()) == "f.yaml:1:1"
    assert str(document.where(("a", 0, "c", 1))) == "f.yaml:3:12"
    assert str(document.where(("a", 0, "c"), key=True)) == "f.yaml:3:5"
    assert str(document.where(("f", "e"))) == "f.yaml:4:11"
    assert str(document.where(("h", "e"), key=True)) == "f.yaml:4:8"


@pytest.mark.parametrize("path", [("a", 9), ("a", "zz"), ("a", "zz", "deeper")])
def test_where_falls_back_to_the_nearest_parent(path):
    assert str(load("x: 1\na:\n  - 1\n").where(path, key=True)) == "f.yaml:3:3"


def test_text_start_is_below_the_header_of_a_block():
    document = load("a: |\n  x\nb: x\nc: >-\n\n  y\nd: [1]")
    starts = [str(document.text_start((key,))) for key in "abcd"]
    assert starts == ["f.yaml:2", "f.yaml:3:4", "f.yaml:5", "f.yaml:7:4"]


def test_a_file_may_have_a_byte_order_mark(tmp_path):
    file = tmp_path / "f.yaml"
    file.write_bytes("\ufeffa: é\r\nb: 2\r\n".encode())
    document = yaml12.load_file(file)
    assert document.data == {"a": "é", "b": 2}
    assert document.where(("b",)) == Location(file, 2, 4)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    for name, words in [
        ("missing.yaml", "missing.yaml: there is no such file"),
        ("", "a folder, not a file"),
        ("latin.yaml", "latin.yaml:2: the byte 0xe9 is not UTF-8"),
        ("loop.yaml", "cannot be read"),
    ]:
        with pytest.raises(ConfigError) as caught:
            yaml12.load_file(tmp_path / name)
        assert words in str(caught.value)
        assert caught.value.remedy


def test_the_garbage_collector_is_left_as_it_was():
    load("a: 1")
    assert gc.isenabled()
    gc.disable()
    try:
        load("a: 1")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_ten_thousand_cases_load_in_a_moment():
    row = "- id: c{0}\n  vars: {{message: 'I was charged {0} times.', n: 5}}\n  expected: {{name: Bob, n: '{0}'}}\n"
    text = "cases:\n" + "".join(row.format(n) for n in range(10_000))
    started = time.process_time()
    document = load(text, "cases.vars")
    assert [document.where(("cases", n)).line for n in (0, 9_999)] == [2, 29_999]
    assert time.process_time() - started < 5


texts = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="\ufeff\u2028\u2029"), max_size=8
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_json_is_yaml(value):
    assert load(json.dumps(value, ensure_ascii=False)).data == value


@given(st.text(max_size=40))
def test_any_text_loads_or_is_refused_cleanly(text):
    try:
        load(text, "a")
    except ConfigError as error:
        refusal = error
    else:
        return
    assert refusal.where is not None


@given(st.text(st.sampled_from("a:-[]{},#&*|>'\"%@ \n\t01.<"), max_size=30))
def test_both_parsers_agree(text):
    def attempt(composer):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parser, "_composer", composer)
            try:
                return repr(load(text).data)
            except ConfigError:
                return "refused"

    fast, slow = attempt(parser._composer), attempt(parser.PurePythonComposer)
    # libyaml follows YAML 1.2 in a few corners where the Python parser is stricter, and the other way round.
    assert fast == slow or "refused" in (fast, slow)


@given(st.text(st.sampled_from("0123456789.eE+-xo_:a"), min_size=1, max_size=8))
def test_literal_scalars_are_written_back_as_typed(text):
    try:
        got = load(f"a: {text}", "a").data["a"]
    except (ConfigError, TypeError, KeyError):
        return
    if isinstance(got, (int, float)):
        assert str(got) == text


def test_pure_python_parser_is_chosen_where_there_is_no_c_library(monkeypatch):
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert parser._fastest() is parser.PurePythonComposer
