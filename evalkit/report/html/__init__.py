"""report.html, a page to read a run by."""

from evalkit.report.html.page import html_report
from evalkit.report.html.sample import CaseSample

__all__ = ["CaseSample", "html_report"]
