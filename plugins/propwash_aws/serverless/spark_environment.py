"""Environment variables of a Spark job run's driver and executors, which Spark takes as settings.

Source: EMR Serverless User Guide, "Using Spark configurations" (spark.emr-serverless.driverEnv.NAME and
spark.executorEnv.NAME); Spark's spark-submit (--conf NAME=VALUE) and spark-defaults.conf.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from propwash.sdk import Json

DRIVER, EXECUTORS = "spark.emr-serverless.driverEnv", "spark.executorEnv"
DEFAULTS = "spark-defaults"
PYTHON = {
    f"{DRIVER}.PYSPARK_DRIVER_PYTHON": "/usr/bin/python3",
    f"{DRIVER}.PYSPARK_PYTHON": "/usr/bin/python3",
    f"{EXECUTORS}.PYSPARK_PYTHON": "/usr/bin/python3",
}
"""The Python of an image of EMR's, which has what was installed into it; EMR's own default is another."""
_NAME = re.compile(r"[^\s=\"'\\]+")
_BREAKS_OPTIONS = re.compile(r"[\s\"'\\]")
"""What spark-submit's options, being one text, would be taken apart at."""
_BREAKS_PROPERTIES = re.compile(r"[\r\n]|^\s|\s$|^$|\\")
_MOST = 1024


class EnvironmentFault(ValueError):
    """A variable that cannot be passed on; the message begins with its name."""


@dataclass(slots=True)
class SparkEnvironment:
    """The variables as settings: options that go on spark-submit's line, and properties for values with blanks."""

    options: list[str] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)


def spark_environment(variables: Mapping[str, str]) -> SparkEnvironment:
    """The settings that give both driver and executors these variables; raises EnvironmentFault."""
    made = SparkEnvironment()
    for name, value in variables.items():
        if not _NAME.fullmatch(name):
            raise EnvironmentFault(f"{name}: should have a name without blanks, quotes and backslashes")
        for place in (DRIVER, EXECUTORS):
            if not _BREAKS_OPTIONS.search(value):
                made.options.append(f"--conf {place}.{name}={value}")
            elif len(value) <= _MOST and not _BREAKS_PROPERTIES.search(value):
                made.properties[f"{place}.{name}"] = value
            else:
                raise EnvironmentFault(
                    f"{name}: should have no line breaks or backslashes, and with blanks or quotes at most {_MOST} "
                    "characters, to be a variable of Spark's"
                )
    return made


def python_options(given: str) -> list[str]:
    """Which Python runs, for what the given options of spark-submit leave open."""
    return [f"--conf {name}={value}" for name, value in PYTHON.items() if f"{name}=" not in given]


def with_defaults(configurations: Sequence[Json], properties: Mapping[str, str]) -> tuple[Json, ...]:
    """The configurations, with these properties among spark-defaults; what is there already stays."""
    made: list[Json] = []
    is_in = not properties
    for one in configurations:
        if not is_in and isinstance(one, Mapping) and one.get("classification") == DEFAULTS:
            had = one.get("properties")
            merged = {**properties, **(had if isinstance(had, Mapping) else {})}
            made.append({**one, "properties": merged})
            is_in = True
        else:
            made.append(one)
    if not is_in:
        made.append({"classification": DEFAULTS, "properties": dict(properties)})
    return tuple(made)
