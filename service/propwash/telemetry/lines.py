"""How a log line is written: one an event, with fields, and with secrets struck out."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Any

log = logging.getLogger("propwash")
_SECRET_FIELD = re.compile(r"(?i)passw|secret|token|authorization|credential|api_?key|private_?key|cookie")
_SECRET_TEXT = re.compile(
    r"(?i)(bearer\s+|basic\s+)[\w.~+/=-]{8,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|-----BEGIN [^-]*PRIVATE KEY-----.*"
)
_RESERVED = frozenset({"time", "level", "logger", "message", "traceback"})


def say(level: int, message: str, fields: dict[str, Any]) -> None:
    """One line, where its level is told."""
    if log.isEnabledFor(level):
        log.log(level, message, extra={"fields": fields})


def announce(message: str, **fields: str | int) -> None:
    """One line about the life of the process."""
    say(logging.INFO, message, fields)


def configure_logging(*, format: str = "text", level: str = "INFO") -> None:
    """One line an event on standard error: format is json or text (key=value).

    Raises ValueError for an unknown format or level.
    """
    formats: dict[str, type[logging.Formatter]] = {"json": JsonLines, "text": TextLines}
    if format not in formats:
        raise ValueError(f"the log format is json or text, not {format!r}")
    levels = logging.getLevelNamesMapping()
    if level.upper() not in levels:
        raise ValueError(f"the log level is one of {', '.join(levels)}, not {level!r}")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formats[format]())
    logging.basicConfig(level=levels[level.upper()], handlers=[handler], force=True)


class JsonLines(logging.Formatter):
    """A JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, secrets struck out."""
        return json.dumps(_line(self, record), default=str, ensure_ascii=False)


class TextLines(logging.Formatter):
    """key=value pairs a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, secrets struck out."""
        return " ".join(f"{key}={_quoted(value)}" for key, value in _line(self, record).items())


def _line(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, object]:
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    line: dict[str, object] = {
        "time": f"{at}.{int(record.msecs):03d}Z",
        "level": record.levelname,
        "logger": record.name,
        "message": _struck(record.getMessage()),
    }
    for key, value in getattr(record, "fields", {}).items():
        kept = f"{key}_" if key in _RESERVED else key
        line[kept] = "[secret]" if _SECRET_FIELD.search(key) else _struck(value)
    if record.exc_info:
        line["traceback"] = _struck(formatter.formatException(record.exc_info))
    return line


def _struck(value: object) -> object:
    return _SECRET_TEXT.sub("[secret]", value) if isinstance(value, str) else value


def _quoted(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[^\s\"=]+", text) else json.dumps(text, ensure_ascii=False)
