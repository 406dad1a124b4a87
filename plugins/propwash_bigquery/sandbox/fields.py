"""Partial responses: the `fields` parameter of Google's JSON APIs, such as `jobs(id,status/state),nextPageToken`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from propwash_bigquery.sandbox.errors import BigQueryError


@lru_cache(maxsize=256)
def parse_mask(text: str) -> dict[str, Any]:
    """Read a mask. Raises BigQueryError for one that does not close."""
    mask, end = _parse(text, 0)
    if end != len(text):
        raise _bad(text)
    return mask


def apply_mask(mask: dict[str, Any], value: Any) -> Any:
    """The part of a JSON value that the mask wants. Lists are masked item by item."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [apply_mask(mask, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: apply_mask(below, value[name]) for name, below in mask.items() if name in value}


def _parse(text: str, at: int) -> tuple[dict[str, Any], int]:
    mask: dict[str, Any] = {}
    while True:
        start = at
        while at < len(text) and text[at] not in ",()/":
            at += 1
        name = text[start:at].strip()
        if not name:
            raise _bad(text)
        below: dict[str, Any] = mask.setdefault(name, {})
        while at < len(text) and text[at] == "/":
            start = at = at + 1
            while at < len(text) and text[at] not in ",()/":
                at += 1
            below = below.setdefault(text[start:at].strip(), {})
        if at < len(text) and text[at] == "(":
            inner, at = _parse(text, at + 1)
            if at >= len(text) or text[at] != ")":
                raise _bad(text)
            below.update(inner)
            at += 1
        if at < len(text) and text[at] == ",":
            at += 1
            continue
        return mask, at


def _bad(text: str) -> BigQueryError:
    return BigQueryError("invalidParameter", f"Invalid field selection {text}", location="fields")
