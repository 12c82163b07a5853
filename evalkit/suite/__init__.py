"""Suites: load a suite file with its prompts and cases, check all of it, and render prompts into messages."""

from evalkit.suite.loader import check_suite, load_suite
from evalkit.suite.render import Renderer

__all__ = ["Renderer", "check_suite", "load_suite"]
