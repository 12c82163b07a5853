"""Renders what analysis computed, for people (markdown, terminal) and for machines (CSV, JSON)."""

from evalkit.report.files import ReportPaths, write_reports

__all__ = ["ReportPaths", "write_reports"]
