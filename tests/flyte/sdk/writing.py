"""The folder in which the SDKs' interpreters leave what they serialised."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class Serializable(Protocol):
    """A protocol buffer."""

    def SerializeToString(self) -> bytes: ...


class Folder:
    """Writes templates with their inputs, and what a class offers."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def write(self, name: str, template: Serializable, inputs: Serializable) -> None:
        """A template and its inputs, as files of this name."""
        (self._place / f"{name}.template.pb").write_bytes(template.SerializeToString())
        (self._place / f"{name}.inputs.pb").write_bytes(inputs.SerializeToString())

    def tell(self, name: str, told: Mapping[str, Any]) -> None:
        """Anything else, as JSON."""
        (self._place / f"{name}.json").write_text(json.dumps(told))
