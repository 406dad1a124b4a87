"""Verifies a connection end to end: settings, a token, jobs.list, and a dry run by jobs.insert, which makes no job.

Source: BigQuery documentation, "IAM roles and permissions": bigquery.jobs.create is in the role BigQuery Job User
(roles/bigquery.jobUser); jobs.list, get and cancel of an account's own jobs need nothing besides.
"""

from __future__ import annotations

from collections.abc import Awaitable

from propwash.sdk import CREDENTIALS_UNAVAILABLE, Checked, Connection, Verdict
from propwash_bigquery.desks import Desk, Desks
from propwash_bigquery.errors import PERMISSION_DENIED
from propwash_bigquery.wire import NameTaken

_JOB_USER = "grant the account the role BigQuery Job User (roles/bigquery.jobUser) on the project {project}"
_CREATE = _JOB_USER + ", which has bigquery.jobs.create"
_LIST = (
    _JOB_USER + "; the sweep lists the account's own jobs, so that neither bigquery.jobs.list nor"
    " bigquery.jobs.listAll is needed"
)
_TOKEN = "check credentials, credentials_file, credentials_json, access_token and impersonate in the settings"
_REACH = "check the endpoint, the network and the proxy; where BigQuery is at fault, try again later"


async def checked(desks: Desks, connection: Connection) -> list[Checked]:
    """The steps up to the first that fails."""
    try:
        desk = desks.of(connection)
    except Verdict as verdict:
        return [_failed("settings", verdict, "correct the connection's settings")]
    steps = [Checked(what="settings", is_ok=True, message=f"endpoint {desk.client.base}")]
    steps.append(await _tried("token", desk.client.signed(), said=_who(desk), remedy=_TOKEN))
    projects = dict.fromkeys((desk.settings.project, *desk.settings.sweep_projects))
    named = [one for one in projects if one is not None]
    if steps[-1].is_ok and not named:
        steps.append(
            Checked(
                what="project",
                is_ok=False,
                message="no project is set: every spec has to name one, and none is swept",
                remedy="set project, or sweep_projects where specs name theirs",
            )
        )
    for project in named:
        if steps[-1].is_ok:
            listed = desk.client.list_page(project, [("fields", "jobs(id)")], size=1)
            steps.append(
                await _tried(
                    "jobs.list", listed, said=f"project {project}", remedy=_LIST.format(project=project)
                )
            )
        if steps[-1].is_ok:
            steps.append(
                await _tried(
                    "jobs.insert",
                    _dry_run(desk, project),
                    said=f"project {project}: a dry run of SELECT 1 passed",
                    remedy=_CREATE.format(project=project),
                )
            )
    return steps


async def _dry_run(desk: Desk, project: str) -> None:
    reference = {"projectId": project}
    if desk.settings.location:
        reference["location"] = desk.settings.location
    query = {"query": "SELECT 1", "useLegacySql": False}
    job = {"jobReference": reference, "configuration": {"dryRun": True, "query": query}}
    await desk.client.insert(project, job, fields="status,jobReference")


async def _tried(what: str, call: Awaitable[object], *, said: str, remedy: str) -> Checked:
    try:
        await call
    except Verdict as verdict:
        return _failed(what, verdict, remedy)
    except NameTaken:
        return Checked(what=what, is_ok=False, message="BigQuery calls a dry run a duplicate", remedy=_REACH)
    return Checked(what=what, is_ok=True, message=said)


def _failed(what: str, verdict: Verdict, remedy: str) -> Checked:
    if what.startswith("jobs.") and verdict.reason != PERMISSION_DENIED:
        remedy = _TOKEN if verdict.reason == CREDENTIALS_UNAVAILABLE else _REACH
    return Checked(what=what, is_ok=False, message=f"{verdict.reason}: {verdict.message}", remedy=remedy)


def _who(desk: Desk) -> str:
    settings = desk.settings
    if settings.credentials == "none":
        return "none is sent: credentials is none"
    if settings.access_token is not None:
        return f"read from {settings.access_token}"
    where = settings.credentials_file or settings.credentials_json or "Application Default Credentials"
    acting = f", acting as {settings.impersonate}" if settings.impersonate else ""
    return f"fetched by {where}{acting}"
