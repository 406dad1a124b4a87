"""The four forms of a BigQuery job: what each is called on the wire, what is asked of it, and what it produced.

Source: BigQuery REST v2 reference, Job (JobConfiguration.jobType; JobStatistics and JobStatistics2 to 5), and the same
fields in the entries of jobs.list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from propwash.sdk import Json
from propwash_bigquery.resources import JsonMap, mapping, table_of, text, texts, whole

Outputs = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form of job.

    key names its part of the configuration and of the statistics. The masks say what is asked of either: without them a
    query's plan and timeline come along, which may be megabytes, or a load's ten thousand addresses.
    """

    key: str
    configuration_mask: str
    statistics_mask: str
    outputs: Callable[[JsonMap, Sequence[JsonMap]], Outputs]
    """What a job that succeeded produced, from its resource and its children's, besides what every job has."""
    is_told_by_list: Callable[[JsonMap], bool]
    """Whether the entry of a list says of a job that succeeded all that jobs.get would."""

    @property
    def job_type(self) -> str:
        """jobType on the wire."""
        return self.key.upper()

    @property
    def fields(self) -> str:
        """The mask of a Job resource."""
        return (
            f"jobReference,status,configuration(jobType,labels,{self.configuration_mask}),"
            f"statistics(creationTime,startTime,endTime,totalSlotMs,sessionInfo,{self.statistics_mask})"
        )


def job_type_of(resource: JsonMap) -> str:
    """QUERY, LOAD, EXTRACT or COPY. What is not told, or is new, counts as a query, so that it is in one sweep."""
    found = text(mapping(resource, "configuration"), "jobType").upper()
    return found if found in ("LOAD", "EXTRACT", "COPY") else "QUERY"


def counted(source: JsonMap, names: Sequence[tuple[str, str]]) -> Outputs:
    """The int64 fields that are there, under our names."""
    return {name: count for name, field in names if (count := whole(source, field)) is not None}


def _load_outputs(resource: JsonMap, _children: Sequence[JsonMap]) -> Outputs:
    made = _destination(resource, "load")
    names = (
        ("output_rows", "outputRows"),
        ("output_bytes", "outputBytes"),
        ("input_files", "inputFiles"),
        ("input_bytes", "inputFileBytes"),
        ("bad_records", "badRecords"),
    )
    return {**made, **counted(mapping(resource, "statistics", "load"), names)}


def _extract_outputs(resource: JsonMap, _children: Sequence[JsonMap]) -> Outputs:
    configuration = mapping(resource, "configuration", "extract")
    statistics = mapping(resource, "statistics", "extract")
    made: Outputs = {}
    if uris := texts(configuration, "destinationUris") or texts(configuration, "destinationUri"):
        made["destination_uris"] = uris
    counts = texts(statistics, "destinationUriFileCounts")
    if counts and all(one.isdecimal() for one in counts):
        made["destination_uri_file_counts"] = tuple(int(one) for one in counts)
    return {**made, **counted(statistics, (("input_bytes", "inputBytes"),))}


def _copy_outputs(resource: JsonMap, _children: Sequence[JsonMap]) -> Outputs:
    made = _destination(resource, "copy")
    statistics = mapping(resource, "statistics", "copy")
    names = (("copied_rows", "copiedRows"), ("copied_bytes", "copiedLogicalBytes"))
    if region := text(statistics, "remoteDestinationRegion"):
        made["destination_region"] = region
    return {**made, **counted(statistics, names)}


def _destination(resource: JsonMap, key: str) -> Outputs:
    table = table_of(mapping(resource, "configuration", key, "destinationTable"))
    return {"destination_table": table} if table else {}


def _has_statistics(key: str) -> Callable[[JsonMap], bool]:
    return lambda resource: bool(mapping(resource, "statistics", key))


LOAD = Form(
    key="load",
    configuration_mask="load(destinationTable)",
    statistics_mask="load(outputRows,outputBytes,inputFiles,inputFileBytes,badRecords)",
    outputs=_load_outputs,
    is_told_by_list=_has_statistics("load"),
)
EXTRACT = Form(
    key="extract",
    configuration_mask="extract(destinationUri,destinationUris)",
    statistics_mask="extract(destinationUriFileCounts,inputBytes)",
    outputs=_extract_outputs,
    is_told_by_list=_has_statistics("extract"),
)
COPY = Form(
    key="copy",
    configuration_mask="copy(destinationTable)",
    statistics_mask="copy(copiedRows,copiedLogicalBytes,remoteDestinationRegion)",
    outputs=_copy_outputs,
    is_told_by_list=_has_statistics("copy"),
)
