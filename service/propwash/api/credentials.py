"""TLS and mTLS from files that may be renewed while the server runs."""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc

from propwash.api.options import CannotListen, Tls


def server_credentials(tls: Tls) -> grpc.ServerCredentials:
    """Credentials that follow the files; raises CannotListen where they cannot be used."""
    current = _Files(tls)
    try:
        current.check()
        first = current.load()
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(map(str, current.paths))
        raise CannotListen(f"cannot use the TLS files {files}: {error}") from error
    return grpc.dynamic_ssl_server_credentials(
        first,
        current.renewed,  # type: ignore[arg-type]  # the stubs do not know that None means: no change
        require_client_authentication=tls.client_ca_file is not None,
    )


class _Files:
    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        optional = (tls.client_ca_file,) if tls.client_ca_file is not None else ()
        self.paths: tuple[Path, ...] = (tls.certificate_file, tls.key_file, *optional)
        self._seen = self._stamps()

    def check(self) -> None:
        """Raises OSError or ssl.SSLError where the files do not fit together; gRPC would only log it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._tls.certificate_file, self._tls.key_file, password=lambda: "")
        if self._tls.client_ca_file is not None:
            context.load_verify_locations(self._tls.client_ca_file)

    def load(self) -> grpc.ServerCertificateConfiguration:
        pair = (self._tls.key_file.read_bytes(), self._tls.certificate_file.read_bytes())
        ca = self._tls.client_ca_file
        return grpc.ssl_server_certificate_configuration([pair], ca.read_bytes() if ca is not None else None)

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new certificates; None, so that the old stay, where nothing changed or they are no good."""
        stamps = self._stamps()
        if stamps == self._seen:
            return None
        try:
            self.check()
            loaded = self.load()
        except (OSError, ssl.SSLError):
            return None
        self._seen = stamps
        return loaded

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_stamp, self.paths))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
