"""Metrics and log lines."""

from propwash.telemetry.lines import JsonLines, TextLines, announce, configure_logging
from propwash.telemetry.metrics import MAX_LABEL_VALUES, Telemetry

__all__ = ["MAX_LABEL_VALUES", "JsonLines", "Telemetry", "TextLines", "announce", "configure_logging"]
