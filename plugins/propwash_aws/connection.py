"""What an AWS connection's settings say, and where its services are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

import pydantic

from propwash.sdk import Connection, SecretRef

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")

RoleArn: TypeAlias = Annotated[
    str, pydantic.StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.{1,512}$")
]
"""The ARN of an IAM role."""
EntryPointLocation: TypeAlias = Annotated[
    str,
    pydantic.StringConstraints(
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^{}\s]*)?$", max_length=800
    ),
]
"""A bucket, or a folder in it."""
_Named: TypeAlias = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=256)]
_Region: TypeAlias = Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z]{2}(-[a-z0-9]+)+-[0-9]{1,2}$")]


class SettingsError(ValueError):
    """Settings that cannot be used; the message names the connection and each field."""


class AwsSettings(pydantic.BaseModel):
    """One connection's settings. Secrets are never among them: they are named, not given."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    region: _Region | None = pydantic.Field(
        default=None,
        description="The region, such as eu-west-1. Where not given, AWS_REGION or AWS_DEFAULT_REGION of the server's "
        "environment; one of them must be there.",
    )
    credentials: Literal["default", "keys", "none"] = pydantic.Field(
        default="default",
        description="default: the AWS SDK's own search (environment, files, web identity, container, instance). keys: "
        "the three secrets below. none: requests are not signed, for emulators.",
    )
    access_key_id: SecretRef | None = pydantic.Field(
        default=None, description="Where the access key id is; with credentials keys."
    )
    secret_access_key: SecretRef | None = pydantic.Field(
        default=None, description="Where the secret access key is; with credentials keys."
    )
    session_token: SecretRef | None = pydantic.Field(
        default=None, description="Where the session token is, for keys that are temporary."
    )
    role_arn: RoleArn | None = pydantic.Field(
        default=None,
        description="A role that is assumed with the credentials; all calls are then made as it.",
    )
    external_id: str | None = pydantic.Field(
        default=None,
        min_length=2,
        max_length=1224,
        description="The external id that the role's trust asks for.",
    )
    role_session_name: str = pydantic.Field(
        default="propwash",
        pattern=r"^[\w+=,.@-]{2,64}$",
        description="The session's name, as CloudTrail shows it.",
    )
    role_duration_s: int = pydantic.Field(
        default=3600,
        ge=900,
        le=43_200,
        description="Seconds that a session of the role lasts. A role that is assumed from a role has at most 3600.",
    )
    sts_endpoint: str | None = pydantic.Field(
        default=None,
        min_length=1,
        description="Where STS is, such as a VPC endpoint; the connection's endpoint, or AWS's own, where not given.",
    )
    s3_endpoint: str | None = pydantic.Field(
        default=None,
        min_length=1,
        description="Where S3 is, such as a VPC endpoint; the connection's endpoint, or AWS's own, where not given.",
    )
    execution_role_arn: RoleArn | None = pydantic.Field(
        default=None, description="The execution role of job runs whose spec names none."
    )
    serverless_application: _Named | None = pydantic.Field(
        default=None,
        description="EMR Serverless: the application, by id or name, of job runs whose spec names none; it is swept, "
        "too.",
    )
    serverless_applications: tuple[_Named, ...] = pydantic.Field(
        default=(),
        description="EMR Serverless: further applications that specs use, by id or name, to be swept for orphans.",
    )
    starts_applications: bool = pydantic.Field(
        default=True,
        description="EMR Serverless: whether an application that is stopped and does not start by itself is started "
        "for a job run.",
    )
    creates_applications: bool = pydantic.Field(
        default=False,
        description="EMR Serverless: whether an application that a spec describes by name, and that is not there, is "
        "made. All applications of the region are then swept.",
    )
    updates_applications: bool = pydantic.Field(
        default=False,
        description="EMR Serverless: whether an application that differs from what a spec describes is changed where "
        "the spec asks for that. One that is started is stopped for it when it has no runs.",
    )
    application_name_prefix: str = pydantic.Field(
        default="",
        pattern=r"^[A-Za-z0-9._/#-]*$",
        max_length=40,
        description="EMR Serverless: what is put before the name of an application that a spec describes, where it "
        "does not begin with it.",
    )
    entry_point_location: EntryPointLocation | None = pydantic.Field(
        default=None,
        description="EMR Serverless: the folder in S3, such as s3://bucket/propwash/, that the entry point of "
        "commands is put into. Where not given, the bucket of the run's own s3MonitoringConfiguration.logUri.",
    )
    virtual_cluster: _Named | None = pydantic.Field(
        default=None,
        description="EMR on EKS: the virtual cluster, by id or name, of job runs whose spec names none; it is swept, "
        "too.",
    )
    virtual_clusters: tuple[_Named, ...] = pydantic.Field(
        default=(),
        description="EMR on EKS: further virtual clusters that specs use, by id or name, to be swept for orphans.",
    )
    clusters: tuple[_Named, ...] = pydantic.Field(
        default=(),
        description="EMR on EC2: the clusters that specs use for steps, by id or name, to be swept for orphans.",
    )
    connections: int = pydantic.Field(
        default=64, ge=1, le=1024, description="The most HTTP connections at once to one service."
    )
    request_timeout_s: float = pydantic.Field(
        default=25.0,
        gt=0,
        le=600,
        description="Seconds for one call, its wait for an HTTP connection included.",
    )
    uses_environment_proxy: bool = pydantic.Field(
        default=False, description="Whether HTTPS_PROXY and its kin count."
    )

    @pydantic.model_validator(mode="after")
    def _agree(self) -> AwsSettings:
        given = [self.access_key_id, self.secret_access_key, self.session_token]
        if self.credentials == "keys" and not (self.access_key_id and self.secret_access_key):
            raise ValueError("credentials is keys, but access_key_id or secret_access_key is not given")
        if self.credentials != "keys" and any(given):
            raise ValueError(f"keys are given, but credentials is {self.credentials}")
        if self.external_id and not self.role_arn:
            raise ValueError("external_id is given, but no role_arn")
        if self.credentials == "none" and self.role_arn:
            raise ValueError("credentials is none, but role_arn is given")
        return self


def settings_of(connection: Connection) -> AwsSettings:
    """The settings, checked; raises SettingsError."""
    try:
        return AwsSettings.model_validate(dict(connection.settings))
    except pydantic.ValidationError as error:
        # Inputs are left out: a secret that was put in the wrong place must not be shown.
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        said = "; ".join(f"{'.'.join(('settings', *map(str, one['loc'])))}: {one['msg']}" for one in faults)
    raise SettingsError(f"connection {connection.name}: {said}")


def region_of(connection: Connection, settings: AwsSettings) -> str:
    """The region that calls go to; raises SettingsError where nobody names one.

    Source: AWS SDKs and tools reference, "AWS Region" (the environment variables).
    """
    named = [settings.region, *(os.environ.get(name) for name in _REGION_VARIABLES)]
    for region in named:
        if region:
            return region
    raise SettingsError(
        f"connection {connection.name}: settings.region: is not given, and AWS_REGION is not set"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Base URLs, empty for AWS's own."""

    services: str
    sts: str
    s3: str

    def of(self, service: str) -> str:
        """Where a service is, by botocore's name of it."""
        match service:
            case "sts":
                return self.sts
            case "s3":
                return self.s3
            case _:
                return self.services


def endpoints_of(connection: Connection, settings: AwsSettings) -> Endpoints:
    """Where the services are; raises SettingsError.

    What is signed is not sent in clear text, unless to this machine itself.
    """
    services = _checked(connection, settings, connection.endpoint, "endpoint")
    sts = _checked(connection, settings, settings.sts_endpoint or "", "settings.sts_endpoint")
    s3 = _checked(connection, settings, settings.s3_endpoint or "", "settings.s3_endpoint")
    return Endpoints(services=services, sts=sts or services, s3=s3 or services)


def _checked(connection: Connection, settings: AwsSettings, endpoint: str, field: str) -> str:
    if not endpoint:
        return ""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"connection {connection.name}: {field}: must begin with https:// or http://")
    is_private = parts.scheme == "https" or parts.hostname in _LOOPBACK
    if settings.credentials != "none" and not is_private:
        raise SettingsError(
            f"connection {connection.name}: {field}: signed requests are not sent over http; use https, or "
            "credentials none"
        )
    return endpoint.rstrip("/")
