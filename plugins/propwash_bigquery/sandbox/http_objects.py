"""The object store over HTTP: what puts, reads, lists and deletes objects in Cloud Storage's JSON API v1."""

from __future__ import annotations

import json
from typing import Any

from propwash.sandbox import Answer, Call, Handle, MethodClass, Route
from propwash_bigquery.sandbox.errors import BigQueryError
from propwash_bigquery.sandbox.http_jobs import answered
from propwash_bigquery.sandbox.objects import ObjectStore

_OBJECTS = "/storage/v1/b/{bucket}/o"


class HttpObjects:
    """Answers calls on objects."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Every method."""
        # One pattern takes the slashes of a name, be they escaped, as the clients send them, or not.
        one = f"{_OBJECTS}/{{object:.+}}"
        methods = (
            ("POST", "/upload/storage/v1/b/{bucket}/o", "objects.insert", self.insert),
            ("GET", _OBJECTS, "objects.list", self.list_objects),
            ("GET", one, "objects.get", self.get),
            ("DELETE", one, "objects.delete", self.delete),
        )
        return [_route(verb, path, name, answered(handle)) for verb, path, name, handle in methods]

    def insert(self, call: Call) -> Answer:
        """objects.insert with uploadType=media: the body is the content."""
        name = call.query.get("name", "")
        if not name:
            raise BigQueryError("required", "Required parameter: name")
        self._store.put(call.path["bucket"], name, call.body)
        return _json(self._resource(call.path["bucket"], name))

    def get(self, call: Call) -> Answer:
        """objects.get: the content with alt=media, else what is known of it."""
        bucket, name = call.path["bucket"], call.path["object"]
        content = self._required(bucket, name)
        if call.query.get("alt") == "media":
            return Answer(200, content, content_type="application/octet-stream")
        return _json(self._resource(bucket, name))

    def list_objects(self, call: Call) -> Answer:
        """objects.list, with a prefix."""
        bucket = call.path["bucket"]
        names = self._store.names(bucket, call.query.get("prefix", ""))
        return _json({"kind": "storage#objects", "items": [self._resource(bucket, name) for name in names]})

    def delete(self, call: Call) -> Answer:
        """objects.delete."""
        bucket, name = call.path["bucket"], call.path["object"]
        if not self._store.delete(bucket, name):
            raise _missing(bucket, name)
        return Answer(204)

    def _required(self, bucket: str, name: str) -> bytes:
        content = self._store.get(bucket, name)
        if content is None:
            raise _missing(bucket, name)
        return content

    def _resource(self, bucket: str, name: str) -> dict[str, Any]:
        return {
            "kind": "storage#object",
            "id": f"{bucket}/{name}",
            "bucket": bucket,
            "name": name,
            "size": str(len(self._required(bucket, name))),
        }


def _route(verb: str, path: str, name: str, handle: Handle) -> Route:
    return Route(verb=verb, path=path, name=name, method=MethodClass.OTHER, handle=handle)


def _json(value: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(value).encode())


def _missing(bucket: str, name: str) -> BigQueryError:
    return BigQueryError("notFound", f"No such object: {bucket}/{name}")
