"""STS: who calls, and roles that are assumed. Source: STS API Reference, AssumeRole and GetCallerIdentity; errors and
answers are XML as the "AWS Query protocol" has them.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from propwash.sandbox import Answer, Call, Clock
from propwash_aws.sandbox.applications import ACCOUNT

_XML = "text/xml"
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_SHORTEST_S = 900
_LONGEST_S = 43_200


class Sts:
    """Answers the two operations. Sessions are new keys, whose ids begin with ASIA."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)

    def answer(self, call: Call) -> Answer:
        """POST of a form."""
        form = {name: values[0] for name, values in parse_qs(call.body.decode(errors="replace")).items()}
        match form.get("Action"):
            case "GetCallerIdentity":
                return _ok(
                    "GetCallerIdentity",
                    f"<Arn>arn:aws:iam::{ACCOUNT}:user/sandbox</Arn><UserId>AIDASANDBOX</UserId>"
                    f"<Account>{ACCOUNT}</Account>",
                )
            case "AssumeRole":
                return self._assume(form)
            case other:
                return _refused("InvalidAction", f"Could not find operation {other}")

    def _assume(self, form: Mapping[str, str]) -> Answer:
        role, session = form.get("RoleArn", ""), form.get("RoleSessionName", "")
        seconds = form.get("DurationSeconds", "3600")
        if not role.startswith("arn:aws") or ":role/" not in role:
            return _refused("ValidationError", f"{role} is invalid")
        if not 2 <= len(session) <= 64:
            return _refused("ValidationError", "roleSessionName: must be from 2 to 64 characters")
        if not seconds.isdecimal() or not _SHORTEST_S <= int(seconds) <= _LONGEST_S:
            return _refused("ValidationError", f"durationSeconds: must be from {_SHORTEST_S} to {_LONGEST_S}")
        number = next(self._numbers)
        over = dt.datetime.fromtimestamp(self._clock.now() + int(seconds), dt.UTC)
        name = escape(f"{role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{session}")
        return _ok(
            "AssumeRole",
            f"<AssumedRoleUser><AssumedRoleId>AROASANDBOX:{escape(session)}</AssumedRoleId><Arn>{name}</Arn>"
            f"</AssumedRoleUser><Credentials><AccessKeyId>ASIASANDBOX{number:09d}</AccessKeyId>"
            f"<SecretAccessKey>sandbox-{number}</SecretAccessKey><SessionToken>sandbox-{number}</SessionToken>"
            f"<Expiration>{over:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>",
        )


def _ok(operation: str, result: str) -> Answer:
    body = (
        f'<{operation}Response xmlns="{_NAMESPACE}"><{operation}Result>{result}</{operation}Result>'
        f"<ResponseMetadata><RequestId>sandbox</RequestId></ResponseMetadata></{operation}Response>"
    )
    return Answer(200, body.encode(), MappingProxyType({}), _XML)


def _refused(code: str, message: str) -> Answer:
    body = (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>sandbox</RequestId></ErrorResponse>"
    )
    return Answer(400, body.encode(), MappingProxyType({}), _XML)
