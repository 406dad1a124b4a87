"""What a Snowflake connection's settings say, and where its API is.

Source: Snowflake documentation, "Account identifiers" (an identifier with underscores has hyphens in its host name) and
"Snowflake SQL API".
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

import pydantic

from propwash.sdk import Connection, SecretRef

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_OWN_PARAMETERS = frozenset({"QUERY_TAG", "MULTI_STATEMENT_COUNT"})
OTHER_CREDENTIALS = ("token", "oauth_token_url", "oauth_client_id", "oauth_client_secret", "oauth_scope")
"""The settings of credentials that are no key pair."""
_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_UNQUOTED = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
Parameter: TypeAlias = str | int | float | bool
Identifier: TypeAlias = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=257)]
"""A name as the API takes it: exact, in upper case unless it was made in quotes."""


def folded(identifier: str) -> str:
    """An identifier as Snowflake keeps it: in upper case, unless it can only have been made in quotes.

    Source: Snowflake documentation, "Identifier requirements".
    """
    if len(identifier) > 2 and identifier[0] == identifier[-1] == '"':
        return identifier[1:-1].replace('""', '"')
    return identifier.upper() if _UNQUOTED.fullmatch(identifier) else identifier


class SettingsError(ValueError):
    """Settings that cannot be used; the message names the connection and each field."""


def checked_parameters(given: dict[str, Parameter]) -> dict[str, Parameter]:
    """Session parameters by their names in upper case; raises ValueError for a name that is none, or that is ours."""
    for name in given:
        if not _PARAMETER.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is no name of a session parameter")
        if name.upper() in _OWN_PARAMETERS:
            raise ValueError(f"{name.upper()} is set by us: give query_tag or statement_count in the spec")
    made = {name.upper(): value for name, value in given.items()}
    if len(made) != len(given):
        raise ValueError("a parameter is given twice, in different cases")
    return made


SessionParameters: TypeAlias = Annotated[
    dict[str, Parameter], pydantic.AfterValidator(checked_parameters), pydantic.Field(max_length=50)
]


class SnowflakeSettings(pydantic.BaseModel):
    """One connection's settings. Secrets are never among them: credentials are named, not given."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    account: Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$")] = (
        pydantic.Field(
            description="The account identifier: ORGANIZATION-ACCOUNT, or a locator with its region, xy12345.eu-west-1."
        )
    )
    auth: Literal["key_pair", "oauth", "pat", "none"] = pydantic.Field(
        default="key_pair",
        description="key_pair: a JWT that private_key signs. oauth: token, or a client's own credentials. pat: token, "
        "a programmatic access token. none: nothing is sent, for emulators.",
    )
    user: str = pydantic.Field(
        default="", description="The user whose key private_key is. Needed by key_pair."
    )
    private_key: SecretRef | None = pydantic.Field(
        default=None,
        description="Reference of the user's RSA key in PEM, PKCS#8 or PKCS#1, encrypted or not.",
    )
    private_key_passphrase: SecretRef | None = pydantic.Field(
        default=None, description="Reference of the passphrase of an encrypted key."
    )
    token: SecretRef | None = pydantic.Field(
        default=None,
        description="Reference of an OAuth access token or a programmatic access token. It is read again every 30 "
        "seconds, and at once after Snowflake refused it.",
    )
    oauth_token_url: str | None = pydantic.Field(
        default=None,
        min_length=1,
        description="Where a client fetches its access token (client credentials grant), instead of token.",
    )
    oauth_client_id: str | None = pydantic.Field(default=None, min_length=1, description="The client's id.")
    oauth_client_secret: SecretRef | None = pydantic.Field(
        default=None, description="Reference of the client's secret."
    )
    oauth_scope: str | None = pydantic.Field(
        default=None, min_length=1, description="The scope to ask for, such as session:role:ETL."
    )
    role: Identifier | None = pydantic.Field(
        default=None,
        description="The role of statements whose spec names none; the user's default otherwise.",
    )
    warehouse: Identifier | None = pydantic.Field(
        default=None,
        description="The warehouse of statements whose spec names none; the user's default otherwise.",
    )
    database: Identifier | None = pydantic.Field(
        default=None, description="The database of statements whose spec names none."
    )
    schema_: Identifier | None = pydantic.Field(
        default=None, alias="schema", description="The schema of statements whose spec names none."
    )
    session_parameters: SessionParameters = pydantic.Field(
        default={}, description="Session parameters of every statement; the spec's go before them."
    )
    history_warehouse: Identifier | None = pydantic.Field(
        default=None,
        description="The warehouse that reads the query history; the connection's warehouse where not given. The "
        "smallest size serves.",
    )
    history_database: Identifier | None = pydantic.Field(
        default=None,
        description="The database whose INFORMATION_SCHEMA is read: any that the role may use; SNOWFLAKE where neither "
        "this nor database is given.",
    )
    observe: Literal["auto", "history", "statements"] = pydantic.Field(
        default="auto",
        description="How running statements are watched. history: by one query of the history for all, which needs a "
        "warehouse awake. statements: by one read each, which wakes none. auto: by the history where there are more "
        "than history_above.",
    )
    history_above: int = pydantic.Field(
        default=20,
        ge=0,
        le=10_000,
        description="With auto: up to so many running statements are read one by one.",
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
    def _agree(self) -> SnowflakeSettings:
        wanted: dict[str, tuple[str, ...]] = {
            "key_pair": ("user", "private_key"),
            "pat": ("token",),
            "oauth": ("token",)
            if self.oauth_token_url is None
            else ("oauth_token_url", "oauth_client_id", "oauth_client_secret"),
            "none": (),
        }
        secrets = ("private_key", "private_key_passphrase", "token", "oauth_token_url", "oauth_client_id")
        optional = {"key_pair": ("private_key_passphrase",), "oauth": ("oauth_scope",)}.get(self.auth, ())
        if missing := [name for name in wanted[self.auth] if not getattr(self, name)]:
            raise ValueError(f"auth is {self.auth}, which needs {' and '.join(missing)}")
        allowed = {*wanted[self.auth], *optional}
        for name in (*secrets, "oauth_client_secret", "oauth_scope"):
            if getattr(self, name) and name not in allowed:
                raise ValueError(f"auth is {self.auth}, which takes no {name}")
        if self.oauth_token_url is not None and not _is_private(self.oauth_token_url):
            raise ValueError("oauth_token_url: a secret is not sent over http; use https")
        return self


def settings_of(connection: Connection) -> SnowflakeSettings:
    """The settings, checked; raises SettingsError."""
    try:
        return SnowflakeSettings.model_validate(dict(connection.settings))
    except pydantic.ValidationError as error:
        # Inputs are left out: a secret that was put in the wrong place must not be shown.
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        said = "; ".join(f"settings.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in faults)
    raise SettingsError(f"connection {connection.name}: {said}")


def base_url(connection: Connection, settings: SnowflakeSettings) -> str:
    """Where the API is, without a slash at the end; raises SettingsError.

    A token is not sent in clear text, unless to this machine itself.
    """
    host = settings.account.lower().replace("_", "-")
    endpoint = (connection.endpoint or f"https://{host}.snowflakecomputing.com").rstrip("/")
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"connection {connection.name}: endpoint must begin with https:// or http://")
    if settings.auth != "none" and not _is_private(endpoint):
        raise SettingsError(
            f"connection {connection.name}: endpoint: a token is not sent over http; use https, or auth none"
        )
    return endpoint


def account_of_claims(account: str) -> str:
    """The account as a JWT's claims name it: in upper case, a locator without its region.

    Source: "Authenticating Snowflake REST APIs with Snowflake", "Using key-pair authentication".
    """
    cut = account.partition("-")[0] if ".global" in account else account.partition(".")[0]
    return cut.upper()


def console_of(account: str) -> str:
    """The account's pages in Snowsight, without a slash at the end."""
    locator, dot, region = account.partition(".")
    if dot:
        return f"https://app.snowflake.com/{region}/{locator}"
    organization, _, name = account.partition("-")
    return (
        f"https://app.snowflake.com/{organization}/{name}" if name else f"https://app.snowflake.com/{account}"
    )


def _is_private(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
