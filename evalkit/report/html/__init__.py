"""report.html, a page to read a run by, and report.svg, a picture of it."""

from evalkit.report.html.page import html_report
from evalkit.report.html.sample import CaseSample
from evalkit.report.html.standalone import has_picture, run_picture

__all__ = ["CaseSample", "has_picture", "html_report", "run_picture"]
