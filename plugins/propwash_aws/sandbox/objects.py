"""S3's HeadObject, GetObject and PutObject, as AWS's own service model describes them, path style below /s3/.

Every bucket is there, and takes whatever comes. Source: S3 API Reference, "Error responses" (XML; none to a HEAD), and
"Checking object integrity" (the digest in x-amz-checksum-sha256).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from xml.sax.saxutils import escape

from propwash.sandbox import Answer, Call, MethodClass, Route
from propwash_aws.sandbox.errors import AwsError
from propwash_aws.sandbox.shapes import check, service_model

SERVICE = "s3"
_XML = "application/xml"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object; written counts how often it was put."""

    body: bytes
    content_type: str
    written: int

    @property
    def tag(self) -> str:
        """Its ETag: of what is stored in one part, the MD5 in quotes."""
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


class Objects:
    """What was put, by bucket and key."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], StoredObject] = {}

    def routes(self) -> list[Route]:
        """The three operations."""
        path = "/s3/{Bucket}/{Key:.+}"
        work = {"HEAD": self._head, "GET": self._get, "PUT": self._put}
        return [
            Route(
                verb=verb,
                path=path,
                name=f"{SERVICE}.{verb.capitalize()}Object",
                method=MethodClass.CREATE if verb == "PUT" else MethodClass.OTHER,
                handle=_handler(f"{verb.capitalize()}Object", do, says_why=verb != "HEAD"),
            )
            for verb, do in work.items()
        ]

    def clear(self) -> None:
        """Forget all."""
        self.stored.clear()

    def _head(self, asked: Mapping[str, Any], call: Call) -> Answer:
        found = self._get(asked, call)
        # The length belongs to the body that is not sent.
        return Answer(200, b"", {**found.headers, "Content-Length": str(len(found.body))}, found.content_type)

    def _get(self, asked: Mapping[str, Any], _call: Call) -> Answer:
        found = self.stored.get((asked["Bucket"], asked["Key"]))
        if found is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.", status=404)
        return Answer(200, found.body, {"ETag": found.tag}, found.content_type)

    def _put(self, asked: Mapping[str, Any], call: Call) -> Answer:
        digest = base64.b64encode(hashlib.sha256(call.body).digest()).decode()
        if asked.get("ChecksumSHA256", digest) != digest:
            raise AwsError("BadDigest", "The SHA256 you specified did not match what we received.")
        place = (asked["Bucket"], asked["Key"])
        before = self.stored.get(place)
        kind = asked.get("ContentType", "binary/octet-stream")
        made = self.stored[place] = StoredObject(call.body, kind, 1 if before is None else before.written + 1)
        return Answer(200, b"", {"ETag": made.tag}, _XML)


def _handler(
    operation: str, do: Callable[[Mapping[str, Any], Call], Answer], *, says_why: bool
) -> Callable[[Call], Answer]:
    def handle(call: Call) -> Answer:
        try:
            return do(_input(operation, call), call)
        except AwsError as error:
            said = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
            body = said.encode() if says_why else b""
            return Answer(error.status, body, MappingProxyType({}), _XML)

    return handle


def _input(operation: str, call: Call) -> dict[str, Any]:
    """The members that are texts in the path and the headers, checked; raises AwsError."""
    shape = service_model(SERVICE).operation_model(operation).input_shape
    given: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire = str(member.serialization.get("name", name))
        match member.serialization.get("location"):
            case "uri":
                given[name] = call.path[wire]
            case "header" if wire in call.headers and member.type_name == "string":
                given[name] = call.headers[wire]
            case _:
                pass
    check(shape, given, "")
    return given
