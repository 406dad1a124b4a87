"""The tables of the documentation are those of the code, and every built-in handler has its tables."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Literal

import pydantic
import pytest

from propwash.handlers.registry import Registry, Served
from propwash.sdk import Handler, Spec
from propwash.sdk.testing import ToyHandler, ToySystem

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def generator() -> Mapping[str, Any]:
    return runpy.run_path(str(DOCS / "generate.py"))


@pytest.fixture(scope="module")
def registry(generator: Mapping[str, Any]) -> Registry:
    made = generator["installed"]()
    assert isinstance(made, Registry)
    return made


def test_every_page_is_as_the_generator_makes_it(generator: Mapping[str, Any], registry: Registry) -> None:
    pages = generator["pages"]()
    assert DOCS / "connections.md" in pages
    stale = [
        page.name
        for page in pages
        if page.read_text() != generator["filled"](page.read_text(), registry, page=page.name)
    ]
    assert stale == [], "run python docs/generate.py"


def test_every_handler_of_ours_has_its_tables(generator: Mapping[str, Any], registry: Registry) -> None:
    asked: set[tuple[str, str]] = set()
    for page in generator["pages"]():
        asked |= generator["asked_for"](page.read_text())
    ours = [one for one in registry.infos if one.distribution.partition(" ")[0] == "propwash"]
    missing = {("spec", one.task_type) for one in ours if one.is_serving} - asked
    missing |= {("settings", one.plugin) for one in ours if one.is_serving} - asked
    assert missing == set()


class Depth(Enum):
    SHALLOW = "shallow"
    DEEP = "deep"


class Table(Spec):
    """Where rows | go.

    More of it.
    """

    name: str = pydantic.Field(description="Its | name.")
    parent: Table | None = None


class PageSpec(Spec):
    query: str = pydantic.Field(description="What is\n  asked.")
    size: int = pydantic.Field(default=5, ge=1, le=9)
    rate: float = pydantic.Field(default=0.5, gt=0)
    depth: Depth | None = None
    mode: Literal["a", "b"] = "a"
    tables: tuple[Table, ...] = ()
    named: dict[str, int] = pydantic.Field(default={}, alias="byName")
    either: int | str | None = None
    one: Literal["x"] = "x"
    free: Any = None
    flag: bool = False


class PageSettings(pydantic.BaseModel):
    table: Table | None = None


class PageHandler(ToyHandler):
    task_types: ClassVar[tuple[str, ...]] = ("page",)
    spec_type: ClassVar[type[Spec]] = PageSpec
    settings_type: ClassVar[type[pydantic.BaseModel] | None] = PageSettings


def toys() -> Registry:
    handler: Handler[Any] = PageHandler(ToySystem())
    served = Served(key="toys#0", plugin="toys", handler=handler, root=None)
    return Registry(served={"page": served})


def test_a_table_tells_type_default_and_meaning(generator: Mapping[str, Any]) -> None:
    text = "# A\n\n<!-- spec page -->\nold\n<!-- /spec -->\nkept\n<!-- settings toys -->\n<!-- /settings -->\nend\n"
    made = generator["filled"](text, toys(), page="a.md")
    assert (
        made
        == """# A

<!-- spec page -->

| field | type | default | meaning |
|---|---|---|---|
| `query` | string | required | What is asked. |
| `size` | integer, 1 to 9 | `5` |  |
| `rate` | number, above 0 | `0.5` |  |
| `depth` | `shallow`, `deep` |  |  |
| `mode` | `a`, `b` | `a` |  |
| `tables` | list of `Table` |  |  |
| `byName` | map of integer |  |  |
| `either` | integer or string |  |  |
| `one` | `x` | `x` |  |
| `free` | any |  |  |
| `flag` | boolean | `false` |  |

`Table`: Where rows | go. More of it.

| field | type | default | meaning |
|---|---|---|---|
| `name` | string | required | Its \\| name. |
| `parent` | `Table` |  |  |

<!-- /spec -->
kept
<!-- settings toys -->

| setting | type | default | meaning |
|---|---|---|---|
| `table` | `Table` |  |  |

<!-- /settings -->
end
"""
    )
    assert generator["filled"](made, toys(), page="a.md") == made


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- spec pages -->\n<!-- /spec -->", "no such spec is installed"),
        ("<!-- settings page -->\n<!-- /settings -->", "no such settings is installed"),
        ("<!-- spec page -->\n<!-- /settings -->", "has no other end"),
        ("text <!-- /spec -->", "has no other end"),
    ],
)
def test_a_marker_that_means_nothing_is_an_error(generator: Mapping[str, Any], text: str, said: str) -> None:
    with pytest.raises(generator["DocsError"], match=f"a.md: .*{said}"):
        generator["filled"](text, toys(), page="a.md")
