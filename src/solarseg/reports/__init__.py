"""Reports of inspected modules for people: a page for each module, as HTML and PDF, and an index of all modules."""

from solarseg.reports.index import (
    FailedPhotograph,
    ModuleSummary,
    draw_thumbnail,
    render_index,
    summarise_module,
    write_index,
)
from solarseg.reports.module_report import render_module_report, write_module_report
from solarseg.reports.pdf import check_pdf
from solarseg.reports.report_contents import Line, ModuleView, Plot, ReportFile
from solarseg.reports.style import ReportStyle, read_report_style

__all__ = [
    "FailedPhotograph",
    "Line",
    "ModuleSummary",
    "ModuleView",
    "Plot",
    "ReportFile",
    "ReportStyle",
    "check_pdf",
    "draw_thumbnail",
    "read_report_style",
    "render_index",
    "render_module_report",
    "summarise_module",
    "write_index",
    "write_module_report",
]
