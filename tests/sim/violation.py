"""What a world raises."""

from __future__ import annotations


class Violation(AssertionError):
    """A promise was broken."""
