"""Functions that users name as file.py:function."""

from __future__ import annotations

import sys

import pytest

from evalkit.errors import ConfigError
from evalkit.pyfile import load_function


@pytest.fixture(autouse=True)
def own_modules(monkeypatch):
    """Forget what these tests import and where it was imported from."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def failing(spec, folder) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_function(spec, folder)
    return caught.value


def write(folder, name, code):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code)
    return path


def test_a_function_is_found_in_its_file(tmp_path):
    write(tmp_path, "sub/code.py", "def double(x): return 2 * x")
    assert load_function("sub/code.py:double", tmp_path)(4) == 8
    assert load_function(f"{tmp_path}/sub/code.py:double", tmp_path / "elsewhere")(4) == 8
    assert load_function("../sub/code.py:double", tmp_path / "sub")(4) == 8


def test_a_file_that_was_edited_is_imported_anew(tmp_path):
    write(tmp_path, "code.py", "def double(x): return 2 * x")
    first = load_function("code.py:double", tmp_path)
    assert load_function("code.py:double", tmp_path) is first
    write(tmp_path, "code.py", "def double(x): return x + x + 0.5")
    assert load_function("code.py:double", tmp_path)(4) == 8.5
    assert first(4) == 8


@pytest.mark.parametrize(
    "spec",
    [
        "",
        ":",
        "code.py",
        "code.py:",
        ":double",
        "code:double",
        "code.py:two words",
        "code.py:a.b",
        "code.py:1",
        "code.pyc:f",
    ],
)
def test_a_spelling_that_names_no_function(tmp_path, spec):
    write(tmp_path, "code.py", "")
    error = failing(spec, tmp_path)
    assert "does not name a function" in error.message
    assert error.remedy == "write path/to/file.py:function"


def test_a_missing_file(tmp_path):
    assert str(tmp_path / "code.py") in failing("code.py:f", tmp_path).message
    (tmp_path / "folder.py").mkdir()
    assert "does not exist" in failing("folder.py:f", tmp_path).message


@pytest.mark.parametrize("name", ["missing", "value"])
def test_a_missing_name(tmp_path, name):
    path = write(tmp_path, "code.py", "from os.path import join\nvalue = 7\ndef own(): pass")
    error = failing(f"code.py:{name}", tmp_path)
    assert str(error) == f"{path}: code.py defines no function '{name}'"
    assert error.remedy == "it defines: own"


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        ("x = 1\n\ndef f(:\n", 3, "SyntaxError"),
        ("x = 1\nimport no_such_module_here\n", 2, "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("x = 1\ndef g():\n    return 1 / 0\ng()\n", 3, "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('bye')\n", 2, "SystemExit: bye"),
        ("import json\njson.loads('{')\n", 2, "JSONDecodeError"),
    ],
)
def test_a_file_that_cannot_be_imported_names_the_line(tmp_path, code, line, says):
    path = write(tmp_path, "code.py", code)
    error = failing("code.py:f", tmp_path)
    assert str(error).startswith(f"{path}:{line}: cannot be imported: ")
    assert says in error.message


def test_a_fault_in_a_neighbour_is_placed_where_it_is_imported(tmp_path):
    path = write(tmp_path, "code.py", "x = 1\nimport broken_neighbour_of_code\n")
    write(tmp_path, "broken_neighbour_of_code.py", "\n\n\n\n\ndef f(:\n")
    assert str(failing("code.py:f", tmp_path)).startswith(f"{path}:2: ")


def test_bytes_that_are_no_python(tmp_path):
    (tmp_path / "code.py").write_bytes(b"x = '\xff'\n")
    assert "SyntaxError" in failing("code.py:f", tmp_path).message


def test_a_broken_file_can_be_mended_and_loaded_again(tmp_path):
    write(tmp_path, "code.py", "1 / 0")
    failing("code.py:f", tmp_path)
    write(tmp_path, "code.py", "def f(): return 'mended'")
    assert load_function("code.py:f", tmp_path)() == "mended"


def test_ctrl_c_during_an_import_is_not_swallowed(tmp_path):
    write(tmp_path, "code.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_function("code.py:f", tmp_path)


def test_a_dataclass_in_the_file_works(tmp_path):
    code = (
        "from __future__ import annotations\n"
        "from dataclasses import KW_ONLY, dataclass\n"
        "@dataclass(slots=True)\nclass A:\n    x: int\n    _: KW_ONLY\n    y: int = 2\n"
        "def f(): return A(1).y\n"
    )
    write(tmp_path, "code.py", code)
    assert load_function("code.py:f", tmp_path)() == 2


def test_what_the_file_defines_can_be_pickled(tmp_path):
    write(
        tmp_path,
        "code.py",
        "import pickle\nclass A: pass\ndef f(): return type(pickle.loads(pickle.dumps(A()))) is A\n",
    )
    assert load_function("code.py:f", tmp_path)()


def test_neighbours_can_be_imported_and_hide_nothing(tmp_path):
    write(
        tmp_path,
        "code.py",
        "import neighbour_of_code, colorsys\ndef f(): return neighbour_of_code.x, hasattr(colorsys, 'x')\n",
    )
    write(tmp_path, "neighbour_of_code.py", "x = 3")
    write(tmp_path, "colorsys.py", "x = 'not the standard library'")
    assert load_function("code.py:f", tmp_path)() == (3, False)


def test_a_file_is_imported_once(tmp_path):
    write(
        tmp_path,
        "code.py",
        "seen = []\ndef f():\n    seen.append(1)\n    return len(seen)\ndef g(): return len(seen)\n",
    )
    load_function("code.py:f", tmp_path)()
    assert load_function("code.py:g", tmp_path)() == 1


def test_two_files_of_the_same_name_are_two_modules(tmp_path):
    write(tmp_path, "a/code.py", "def f(): return 'a'")
    write(tmp_path, "b/code.py", "def f(): return 'b'")
    assert load_function("a/code.py:f", tmp_path)() == "a"
    assert load_function("b/code.py:f", tmp_path)() == "b"


def test_a_files_name_hides_no_module(tmp_path):
    write(tmp_path, "json.py", "def f(): return 'mine'")
    assert load_function("json.py:f", tmp_path)() == "mine"
    import json

    assert json.loads("1") == 1
