"""What people type of the shares of a pool."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import click

from propwash.cli.parsing import InputError
from propwash.client import ProjectShare

MOST_UNITS = 10**9
UNITS = click.IntRange(0, MOST_UNITS)
_WEIGHT = click.FloatRange(0, 10**6)
_NO_LIMIT = -1
_SHARE_FIELDS = ("weight", "limit", "namespace_limit")


class Limit(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases alone
    """Units, or none for no limit."""

    name = "units"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse; fails with a usage error."""
        text = str(value)
        if text == "none":
            return _NO_LIMIT
        if not text.isdecimal() or int(text) > MOST_UNITS:
            self.fail(f"{text!r} is neither 0 to {MOST_UNITS} nor none", param, ctx)
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What was given; None was not."""

    weight: float | None
    limit: int | None
    namespace_limit: int | None
    projects: Mapping[str, ProjectShare]

    @property
    def default(self) -> ProjectShare:
        """The share of every project that is not named."""
        return ProjectShare(
            weight=1.0 if self.weight is None else self.weight,
            limit=_units(self.limit),
            namespace_limit=_units(self.namespace_limit),
        )

    @property
    def mask(self) -> tuple[str, ...]:
        """The paths of what was given."""
        given = (self.weight, self.limit, self.namespace_limit)
        paths = tuple(
            f"default_share.{field}"
            for field, value in zip(_SHARE_FIELDS, given, strict=True)
            if value is not None
        )
        return (*paths, *(f"projects.{project}" for project in self.projects))


def share_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of shares; the command gets them as shares."""

    @functools.wraps(command)
    def wrapped(
        *arguments: object,
        weight: float | None,
        limit: int | None,
        namespace_limit: int | None,
        share: tuple[str, ...],
        **rest: object,
    ) -> None:
        projects = dict(map(parse_share, share))
        shares = Shares(weight=weight, limit=limit, namespace_limit=namespace_limit, projects=projects)
        command(*arguments, shares=shares, **rest)

    return functools.reduce(lambda made, option: option(made), reversed(_OPTIONS), wrapped)


def parse_share(text: str) -> tuple[str, ProjectShare]:
    """PROJECT:weight=3,limit=8,namespace_limit=2, of which any may be left out. Raises InputError."""
    project, _, fields = text.partition(":")
    given: dict[str, int | float | None] = {}
    for pair in filter(None, fields.split(",")):
        field, _, value = pair.partition("=")
        if field not in _SHARE_FIELDS:
            raise InputError(f"--share {text!r}: {field!r} is none of {', '.join(_SHARE_FIELDS)}")
        try:
            if field == "weight":
                given[field] = float(value)
            else:
                given[field] = None if value == "none" else int(value)
        except ValueError:
            kind = "a number" if field == "weight" else "a number of units, or none"
            raise InputError(f"--share {text!r}: {field} is {kind}, not {value!r}") from None
    if not project:
        raise InputError(f"--share {text!r}: write PROJECT:weight=3,limit=8,namespace_limit=2")
    return project, ProjectShare(**given)  # type: ignore[arg-type]  # by field, as parsed above


def _units(limit: int | None) -> int | None:
    return None if limit == _NO_LIMIT else limit


_OPTIONS = (
    click.option("--weight", type=_WEIGHT, help="Of each project that has no share of its own."),
    click.option("--limit", type=Limit(), help="Units that each such project may hold, or none."),
    click.option(
        "--namespace-limit", type=Limit(), help="Units that it may hold in each of its domains, or none."
    ),
    click.option(
        "--share",
        multiple=True,
        metavar="PROJECT:FIELDS",
        help="A project's own share: weight, limit and namespace_limit, such as a:weight=3,limit=8.",
    ),
)
