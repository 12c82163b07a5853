"""Addresses of servers: which ones can be used, and which are this machine."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Whether a URL points at this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_problem(url: str) -> str | None:
    """Say why a URL cannot be a `base_url`, or None."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        usable = False
    if not usable or re.search(r"[\x00-\x20\x7f\\]", url):
        return "is not an address"
    if parts.username is not None:
        return "holds a user name or password; name a variable with the key under api_key_env instead"
    if parts.query or parts.fragment:
        return "must end with its path, without ? or #"
    return None


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs lead to the same host and port, equally encrypted."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]
