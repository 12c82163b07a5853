"""The libraries inside report.html are the published ones."""

import hashlib
import re
from pathlib import Path

from evalkit.report import html

VENDOR = Path(html.__file__).parent / "vendor"
ROW = re.compile(r"^\| (\S+) \| (\S+) \| ([\d.]+) \| (\S+) \| ([0-9a-f]{64}) \|$", re.MULTILINE)


def test_every_library_is_the_one_that_is_written_down():
    told = {name: digest for name, _, _, _, digest in ROW.findall((VENDOR / "README.md").read_text())}
    there = {path.name for path in VENDOR.iterdir() if path.suffix in {".js", ".css"}}
    assert told.keys() == there
    assert {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in there} == told


def test_every_library_has_its_licence_and_stays_small():
    for path in VENDOR.glob("*.js"):
        assert (VENDOR / f"{path.name.split('.')[0]}.LICENSE").exists()
    assert sum(path.stat().st_size for path in VENDOR.iterdir()) < 500_000
