"""The stand-in's object store: what is behind gs:// addresses, in memory. A bucket exists once written to."""

from __future__ import annotations

import re
import threading

from propwash_bigquery.sandbox.errors import BigQueryError

_URI = re.compile(r"gs://([^/]+)/(.+)", re.DOTALL)


class ObjectStore:
    """Objects by bucket and name. Safe to use from worker threads."""

    def __init__(self) -> None:
        self._buckets: dict[str, dict[str, bytes]] = {}
        self._lock = threading.Lock()

    def put(self, bucket: str, name: str, content: bytes) -> None:
        """Write an object, over one of its name."""
        with self._lock:
            self._buckets.setdefault(bucket, {})[name] = content

    def get(self, bucket: str, name: str) -> bytes | None:
        """An object's content, or None where there is none."""
        with self._lock:
            return self._buckets.get(bucket, {}).get(name)

    def delete(self, bucket: str, name: str) -> bool:
        """Remove an object, and say whether there was one."""
        with self._lock:
            return self._buckets.get(bucket, {}).pop(name, None) is not None

    def names(self, bucket: str, prefix: str = "") -> list[str]:
        """The names in a bucket that begin so, in order."""
        with self._lock:
            return sorted(name for name in self._buckets.get(bucket, {}) if name.startswith(prefix))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._buckets.clear()

    def read(self, uris: list[str]) -> list[tuple[str, bytes]]:
        """The files that these addresses mean, with their addresses. Raises BigQueryError (invalid, notFound)."""
        found: list[tuple[str, bytes]] = []
        for uri in uris:
            bucket, name = split(uri)
            before, star, after = name.partition("*")
            if "*" in after:
                raise BigQueryError(
                    "invalid", f"Source URI {uri} has more than one wildcard", location="sourceUris"
                )
            if star:
                names = [
                    one
                    for one in self.names(bucket, before)
                    if one.endswith(after) and len(one) >= len(before) + len(after)
                ]
            else:
                names = [name]
            files = [(one, self.get(bucket, one)) for one in names]
            held = [(f"gs://{bucket}/{one}", content) for one, content in files if content is not None]
            if not held:
                raise BigQueryError("notFound", f"Not found: URI {uri}", location=uri)
            found += held
        return found


def split(uri: str) -> tuple[str, str]:
    """Bucket and name of a gs:// address. Raises BigQueryError (invalid)."""
    match = _URI.fullmatch(uri)
    if match is None or "*" in match[1]:
        raise BigQueryError(
            "invalid", f"Invalid value for sourceUris or destinationUris: {uri}", location=uri
        )
    return match[1], match[2]
