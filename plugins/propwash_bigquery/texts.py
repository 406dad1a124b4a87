"""The text forms in which BigQuery takes typed values.

Source: GoogleSQL reference, "Data types": canonical formats of TIMESTAMP, DATETIME and INTERVAL.
"""

from __future__ import annotations

import datetime as dt

_DAY_US = 86_400_000_000


def timestamp_text(value: dt.datetime) -> str:
    """YYYY-MM-DD HH:MM:SS.FFFFFF+00:00; a datetime without a zone is taken as UTC."""
    return civil_text(value) + "+00:00"


def civil_text(value: dt.datetime) -> str:
    """YYYY-MM-DD HH:MM:SS.FFFFFF in UTC, as DATETIME has it."""
    instant = value if value.tzinfo is None else value.astimezone(dt.UTC)
    return instant.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def interval_text(value: dt.timedelta) -> str:
    """Y-M D H:M:S.F: no years and months, days and time with their own signs."""
    total_us = value // dt.timedelta(microseconds=1)
    sign = "-" if total_us < 0 else ""
    days, rest_us = divmod(abs(total_us), _DAY_US)
    seconds, fraction_us = divmod(rest_us, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    day_sign = sign if days else ""
    time_sign = sign if rest_us else ""
    fraction = f".{fraction_us:06d}" if fraction_us else ""
    return f"0-0 {day_sign}{days} {time_sign}{hour}:{minute}:{second}{fraction}"
