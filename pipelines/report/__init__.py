"""The report of a run: what went in, what came out, what was dropped and why, to look at and to listen to."""

from pipelines.report.data import (
    DroppedCause,
    ErrorRate,
    GeneratedSample,
    Histogram,
    LossCurve,
    ReportData,
    SampleUtterance,
    StreamSegment,
)
from pipelines.report.page import render_report, write_report
from pipelines.report.stream import dropped_causes, readable_segments

__all__ = [
    "DroppedCause",
    "ErrorRate",
    "GeneratedSample",
    "Histogram",
    "LossCurve",
    "ReportData",
    "SampleUtterance",
    "StreamSegment",
    "dropped_causes",
    "readable_segments",
    "render_report",
    "write_report",
]
