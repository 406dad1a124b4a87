"""What a BigQuery connection's settings say."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import pydantic

from propwash.sdk import Connection, SecretRef
from propwash_bigquery.api_types import Location, Project

PUBLIC_ENDPOINT = "https://bigquery.googleapis.com"
CLOUD_PLATFORM_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
OTHER_CREDENTIALS = ("credentials_file", "access_token", "impersonate", "quota_project")
"""The settings of credentials that are not given as JSON, and of whom they act as and pay with."""
_MULTI_REGIONS = frozenset({"EU", "US"})
_PATH = "/bigquery/v2"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class SettingsError(ValueError):
    """Settings that cannot be used; the message names the connection and each field."""


class BigQuerySettings(pydantic.BaseModel):
    """One connection's settings. Secrets are never among them: credentials are named, not given."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    project: Project | None = pydantic.Field(
        default=None, description="The project of jobs whose spec names none; it is swept, too."
    )
    sweep_projects: tuple[Project, ...] = pydantic.Field(
        default=(), description="Further projects that specs use, to be swept for orphans."
    )
    location: Location | None = pydantic.Field(
        default=None, description="The location of jobs whose spec names none."
    )
    credentials: Literal["default", "none"] = pydantic.Field(
        default="default",
        description="default: what one of the next three names, or else Application Default Credentials. none: no "
        "token, for emulators.",
    )
    credentials_file: str | None = pydantic.Field(
        default=None,
        min_length=1,
        description="Path of a service account key, an external account (workload identity federation), an authorized "
        "user or an impersonation, as Google writes them.",
    )
    credentials_json: SecretRef | None = pydantic.Field(
        default=None,
        description="Reference of the same content as credentials_file has, as env:NAME or file:/path.",
    )
    access_token: SecretRef | None = pydantic.Field(
        default=None,
        description="Reference of a short-lived access token that something else replaces in time. It is read again "
        "every 30 seconds, and at once after BigQuery refused it.",
    )
    impersonate: str | None = pydantic.Field(
        default=None, min_length=1, description="E-mail of a service account to act as."
    )
    scopes: tuple[str, ...] = pydantic.Field(
        default=(CLOUD_PLATFORM_SCOPE,), min_length=1, description="OAuth scopes to ask for."
    )
    quota_project: str | None = pydantic.Field(
        default=None,
        min_length=1,
        description="The project whose quota is used, sent as x-goog-user-project.",
    )
    connections: int = pydantic.Field(
        default=64, ge=1, le=1024, description="The most HTTP connections at once."
    )
    request_timeout_s: float = pydantic.Field(
        default=25.0,
        gt=0,
        le=600,
        description="Seconds for one HTTP request, its wait for a connection included.",
    )
    uses_environment_proxy: bool = pydantic.Field(
        default=False, description="Whether HTTPS_PROXY and its kin count."
    )

    @pydantic.model_validator(mode="after")
    def _agree(self) -> BigQuerySettings:
        given = [
            name for name in ("credentials_file", "credentials_json", "access_token") if getattr(self, name)
        ]
        if self.credentials == "none" and (given or self.impersonate):
            raise ValueError(f"credentials is none, but {(given or ['impersonate'])[0]} is given")
        if len(given) > 1:
            raise ValueError(f"give one of {' and '.join(given)}")
        if self.access_token and self.impersonate:
            raise ValueError("access_token is used as it is, and cannot impersonate")
        return self


def settings_of(connection: Connection) -> BigQuerySettings:
    """The settings, checked; raises SettingsError."""
    try:
        return BigQuerySettings.model_validate(dict(connection.settings))
    except pydantic.ValidationError as error:
        # Inputs are left out: a secret that was put in the wrong place must not be shown.
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        said = "; ".join(f"settings.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in faults)
    raise SettingsError(f"connection {connection.name}: {said}")


def location_of(location: str) -> str:
    """A location as Google writes it, since case does not count: multi-regions in upper case, regions in lower."""
    return location.upper() if location.upper() in _MULTI_REGIONS else location.lower()


def base_url(connection: Connection, settings: BigQuerySettings) -> str:
    """Where the API's methods are, without a slash at the end; raises SettingsError.

    A token is not sent in clear text, unless to this machine itself.
    """
    endpoint = (connection.endpoint or PUBLIC_ENDPOINT).rstrip("/")
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"connection {connection.name}: endpoint must begin with https:// or http://")
    is_private = parts.scheme == "https" or parts.hostname in _LOOPBACK
    if settings.credentials != "none" and not is_private:
        raise SettingsError(
            f"connection {connection.name}: endpoint: a token is not sent over http; use https, or credentials none"
        )
    return endpoint if endpoint.endswith(_PATH) else endpoint + _PATH
