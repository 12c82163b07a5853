"""What a stored report.html may do: run the scripts that its own policy names by hash, and read no page of the app."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Final

_HEAD: Final = 8192
"""Bytes at the beginning of a report within which its policy stands."""
_POLICY: Final = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_HASH: Final = re.compile(r"'sha256-[A-Za-z0-9+/]{43}='")
_SANDBOX: Final = "sandbox allow-scripts allow-downloads allow-modals allow-top-navigation-by-user-activation"


def report_policy(report: Path) -> str:
    """The policy to serve a report with: an origin of its own, nothing from elsewhere, no script but by hash.

    A file that names no hashes is no report, whatever it is called, and gets no script at all.

    Raises:
        OSError: the file cannot be read.
    """
    with report.open("rb") as file:
        head = file.read(_HEAD).decode("utf-8", "replace")
    found = _POLICY.search(head)
    hashes = " ".join(sorted(set(_HASH.findall(html.unescape(found[1]))))) if found else ""
    sources = hashes or "'none'"
    return (
        f"{_SANDBOX}; default-src 'none'; script-src {sources}; style-src {sources}; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
