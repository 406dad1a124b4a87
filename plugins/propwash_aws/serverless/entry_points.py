"""Puts the entry point of commands into S3, once a place.

Its key tells its content, so that storing it again changes nothing, and a run that names an older one goes on. Source:
S3 API Reference, HeadObject and PutObject.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from propwash.sdk import Permanent, Throttled, Unavailable, Verdict
from propwash_aws.accounts import Account
from propwash_aws.clusters.answers import text
from propwash_aws.connection import AwsSettings
from propwash_aws.errors import UNEXPECTED_ANSWER, Meaning, RemoteError, verdict
from propwash_aws.serverless.spec import ServerlessSpec

NOT_STORED = "ENTRY_POINT_NOT_STORED"
_DEFAULT_FOLDER = "propwash/"
PROGRAM = Path(__file__).with_name("driver_program.py").read_bytes()
"""What is stored."""
_FILE_NAME = f"entry-point-{hashlib.sha256(PROGRAM).hexdigest()[:16]}.py"
_KEPT_S = 3600.0
"""After so long an object is looked at again: rules of its bucket may have removed it."""
_ABSENT = frozenset({403, 404})
"""What S3 answers about an object that is not there: 403 to who may not list the bucket."""


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """An object in S3; is_of_spec says that the spec named its bucket."""

    bucket: str
    key: str
    is_of_spec: bool = False

    @property
    def uri(self) -> str:
        """As Spark takes it."""
        return f"s3://{self.bucket}/{self.key}"


def entry_point_of(spec: ServerlessSpec, settings: AwsSettings) -> EntryPoint:
    """Where the entry point of a run's command is; raises Permanent where nobody says."""
    if settings.entry_point_location is not None:
        return in_folder(settings.entry_point_location)
    monitoring = spec.configuration_overrides and spec.configuration_overrides.monitoring_configuration
    logs = monitoring and monitoring.s3_monitoring_configuration
    bucket = urlsplit(logs.log_uri).netloc if logs and logs.log_uri else ""
    if not bucket:
        raise Permanent(
            "ENTRY_POINT_LOCATION_MISSING",
            "a command needs a place in S3 for its entry point: set entry_point_location in the connection, or give "
            "the run configurationOverrides.monitoringConfiguration.s3MonitoringConfiguration.logUri",
        )
    return EntryPoint(bucket, _DEFAULT_FOLDER + _FILE_NAME, is_of_spec=True)


def in_folder(location: str) -> EntryPoint:
    """The entry point in a folder such as s3://bucket/propwash/."""
    place = urlsplit(location)
    folder = place.path.strip("/")
    return EntryPoint(place.netloc, f"{folder}/{_FILE_NAME}" if folder else _FILE_NAME)


@dataclass(slots=True)
class _Known:
    stored_at: float | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class EntryPoints:
    """What is known to be stored, by account; now gives monotonic seconds."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._known: WeakKeyDictionary[Account, dict[EntryPoint, _Known]] = WeakKeyDictionary()

    async def store(self, account: Account, wanted: EntryPoint) -> None:
        """Return when it is there; raises a verdict."""
        known = self._known.setdefault(account, {}).setdefault(wanted, _Known())
        async with known.lock:
            if known.stored_at is not None and self._now() < known.stored_at + _KEPT_S:
                return
            try:
                await _store(account, wanted)
            except RemoteError as error:
                raise _refused(account, wanted, error) from error
            known.stored_at = self._now()


async def _store(account: Account, wanted: EntryPoint) -> None:
    place = {"Bucket": wanted.bucket, "Key": wanted.key}
    try:
        found = await account.call("s3", "HeadObject", **place)
    except RemoteError as error:
        if error.status not in _ABSENT or error.meaning is Meaning.CREDENTIALS:
            raise
        digest = base64.b64encode(hashlib.sha256(PROGRAM).digest()).decode()
        found = await account.call(
            "s3",
            "PutObject",
            **place,
            Body=PROGRAM,
            ContentType="text/x-python",
            ChecksumSHA256=digest,
        )
    if not text(found, "ETag"):
        raise Unavailable(UNEXPECTED_ANSWER, f"the answer about {wanted.uri} is not one of S3's")


def _refused(account: Account, wanted: EntryPoint, error: RemoteError) -> Verdict:
    meant = verdict(error, is_submitting=wanted.is_of_spec)
    said = f"putting the entry point of commands at {wanted.uri} failed: {error.code or error.status}: {meant.message}"
    if isinstance(meant, Throttled):
        return meant
    if not wanted.is_of_spec:
        return Unavailable(NOT_STORED, said)
    said += f"; the run's logUri names the bucket, as {account.connection.name} has no entry_point_location"
    return Permanent(NOT_STORED, said) if isinstance(meant, Permanent) else Unavailable(NOT_STORED, said)
