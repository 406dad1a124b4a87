"""How many vCPUs a Spark job run may take at most, as far as its spec says.

Source: EMR Serverless User Guide, "Spark job properties" (the defaults, and that executors are allocated dynamically
unless that is turned off); Apache Spark, "Submitting applications" (options go before --conf, and --conf before
spark-defaults).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from propwash_aws.runs.api_types import Configuration
from propwash_aws.serverless.spec import ServerlessSpec

_DRIVER_CORES = "spark.driver.cores"
_EXECUTOR_CORES = "spark.executor.cores"
_INSTANCES = "spark.executor.instances"
_IS_DYNAMIC = "spark.dynamicAllocation.enabled"
_MOST_EXECUTORS = "spark.dynamicAllocation.maxExecutors"
_DEFAULTS = {_DRIVER_CORES: "4", _EXECUTOR_CORES: "4", _IS_DYNAMIC: "true"}
_DEFAULT_INSTANCES = "3"
_OPTIONS = {"driver-cores": _DRIVER_CORES, "executor-cores": _EXECUTOR_CORES, "num-executors": _INSTANCES}
_CONF = re.compile(r"""(?:^|\s)(?:--conf|-c)(?:\s+|=)["']?(spark\.[A-Za-z.]+)=([^\s"']+)""")
_OPTION = re.compile(rf"(?:^|\s)--({'|'.join(_OPTIONS)})(?:\s+|=)(\S+)")
_CLASSIFICATION = "spark-defaults"


def most_vcpus(spec: ServerlessSpec) -> int | None:
    """The vCPUs of the driver and of the most executors; None where the spec does not say how many those are, or says
    it by an input.
    """
    stated = _properties(spec)
    if stated is None:
        return None
    properties = {**_DEFAULTS, **stated}
    if properties[_IS_DYNAMIC].lower() == "false":
        executors = properties.get(_INSTANCES, _DEFAULT_INSTANCES)
    else:
        # Without a limit of its own a run may grow as far as its application: what it begins with is all that is said.
        executors = properties.get(_MOST_EXECUTORS) or properties.get(_INSTANCES) or ""
    numbers = [properties[_DRIVER_CORES], properties[_EXECUTOR_CORES], executors]
    if not all(re.fullmatch(r"[0-9]{1,6}", one, re.ASCII) for one in numbers):
        return None
    driver, each, count = map(int, numbers)
    return driver + each * count or None


def _properties(spec: ServerlessSpec) -> Mapping[str, str] | None:
    """What the spec says of Spark, the nearest last; None for what is no Spark run."""
    spark = spec.job_driver.spark_submit or spec.job_driver.command
    if spark is None:
        return None
    described, overrides = spec.application, spec.configuration_overrides
    found = dict(_defaults(described.runtime_configuration if described else None))
    found |= _defaults(overrides.application_configuration if overrides else None)
    parameters = spark.spark_submit_parameters or ""
    found |= _CONF.findall(parameters)
    found |= {_OPTIONS[option]: value for option, value in _OPTION.findall(parameters)}
    return found


def _defaults(configurations: tuple[Configuration, ...] | None) -> Iterator[tuple[str, str]]:
    for one in configurations or ():
        if one.classification == _CLASSIFICATION:
            yield from (one.properties or {}).items()
