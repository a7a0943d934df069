"""Who may talk to whom: mutual TLS from three PEM files, and the peer's role and name read from its certificate.

A certificate of this program carries one URI, `smarter://source/lisbon-1` (or `destination`, or `operator`), which says
what its holder may do, and the same name as DNS name, which is what a client checks of the server it dials. The CA's
signature is the only ground of trust: no password, no plaintext port, no switch that skips a check.

Files are read again as soon as one of them changes, so certificates are renewed without a restart. A renewal writes
several files one after another; what does not fit together yet is not taken, and the former certificate stays in use.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import cast

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from common import logs
from common.clock import Clock, SystemClock
from common.errors import ConfigError, PeerError, TransientError
from common.ids import agent_name

URI_SCHEME = "smarter"
_URI_PROPERTY = "peer_uri"
_DIAL_S = 10.0
_log = logs.get("tls")


class PeerRole(StrEnum):
    """What the holder of a certificate may do."""

    SOURCE = "source"
    """Delivers its own versions and reads them back."""
    DESTINATION = "destination"
    """Keeps what sources deliver."""
    OPERATOR = "operator"
    """Asks any agent for its status, reads back any version."""


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """The role and name that a certificate gives its holder."""

    role: PeerRole
    name: str

    @property
    def uri(self) -> str:
        """The identity as the certificate carries it."""
        return f"{URI_SCHEME}://{self.role}/{self.name}"


ADMIN_SOCKET = PeerIdentity(PeerRole.OPERATOR, "admin-socket")
"""Whoever may open an agent's 0600 socket."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The three PEM files of one agent: the CA it trusts, its certificate (chain), and the key of that certificate."""

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class _Pem:
    """The bytes of `TlsFiles`, checked to be usable together."""

    ca: bytes
    cert: bytes
    key: bytes
    identity: PeerIdentity


def stamp(files: TlsFiles) -> tuple[int, ...]:
    """Numbers that change when any of the files does; zeros stand for a file that cannot be seen."""
    return tuple(number for path in (files.ca, files.cert, files.key) for number in _stamp(path))


def own_identity(files: TlsFiles) -> PeerIdentity:
    """The role and name that the certificate of this process carries.

    Errors: ConfigError, one sentence for each file that is missing, unreadable, out of date or does not fit the others.
    """
    return _load(files).identity


def channel_credentials(files: TlsFiles) -> grpc.ChannelCredentials:
    """Credentials for dialling: the server's name is checked against its certificate, ours is shown.

    They are fixed for the channel's life; a caller that outlives a certificate dials anew when `stamp` changes.
    Errors: ConfigError as `own_identity`.
    """
    pem = _load(files)
    return grpc.ssl_channel_credentials(pem.ca, pem.key, pem.cert)


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials for listening: every client must show a certificate of the CA. Each handshake uses the newest files.

    Errors: ConfigError as `own_identity`, now; later, unusable files are logged once and the former ones stay in use.
    """
    fetch = _Reloading(files)
    return grpc.dynamic_ssl_server_credentials(
        _configuration(_load(files)),
        fetch,  # type: ignore[arg-type] # the stub leaves out None, which grpc documents as "no change"
        require_client_authentication=True,
    )


def peer_identity(auth_context: Mapping[str, Iterable[bytes]]) -> PeerIdentity:
    """Who is calling, from the `auth_context()` of a gRPC servicer context.

    Errors: PeerError where the connection shows no certificate, or one that does not carry exactly one identity.
    """
    uris = [raw.decode("utf-8", "replace") for raw in auth_context.get(_URI_PROPERTY, ())]
    return _identity([uri for uri in uris if uri.startswith(f"{URI_SCHEME}:")])


def listener_identity(address: str, files: TlsFiles) -> PeerIdentity:
    """Who listens at `HOST:PORT`: the name that gRPC is then told to check, for whoever knows an address and no name.

    A TLS handshake of its own proves the CA's signature; what role to expect there is for the caller to say. Blocks.
    Errors: ConfigError for our own files; PeerError where the CA or the identity do not fit; TransientError else.
    """
    own_identity(files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The chain is verified; the name is what this handshake is for.
    context.check_hostname = False
    host, _, port = address.rpartition(":")
    try:
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.cert, files.key)
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout=_DIAL_S) as plain,
            context.wrap_socket(plain) as wrapped,
        ):
            shown = cast("tuple[tuple[str, str], ...]", (wrapped.getpeercert() or {}).get("subjectAltName", ()))
    except ssl.SSLCertVerificationError as error:
        raise PeerError(
            f"{address}: TLS handshake refused: the certificate shown there does not hold: {error.verify_message}"
        ) from None
    except ssl.SSLError as error:
        raise PeerError(f"{address}: TLS handshake refused: {error.reason or error}") from None
    except OSError as error:
        raise TransientError(f"{address}: nobody answers there: {error.strerror or error}") from None
    try:
        return _identity([value for kind, value in shown if kind == "URI" and value.startswith(f"{URI_SCHEME}:")])
    except PeerError as error:
        raise PeerError(f"{address}: {error}") from None


class _Reloading:
    """Gives gRPC the newest usable certificate before each handshake; called from gRPC's own threads."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = stamp(files)

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        now = stamp(self._files)
        if now == self._stamp:
            return None
        # The stamp is older than the bytes read next: a file replaced meanwhile is seen as changed once more, never missed.
        self._stamp = now
        try:
            configuration = _configuration(_load(self._files))
        except ConfigError as error:
            _log.warning("certificate_refused", problems=error.problems, kept="the former certificate")
            return None
        _log.info("certificate_reloaded", cert=str(self._files.cert))
        return configuration


def _configuration(pem: _Pem) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.cert)], root_certificates=pem.ca)


def _load(files: TlsFiles, *, clock: Clock | None = None) -> _Pem:
    problems: list[str] = []
    ca, cert, key = (_read(path, problems=problems) for path in (files.ca, files.cert, files.key))
    if problems:
        raise ConfigError(problems)
    now = datetime.fromtimestamp((clock or SystemClock()).now_ns() / 1e9, UTC)
    authorities = _certificates(files.ca, ca, problems=problems)
    own = _certificates(files.cert, cert, problems=problems)[:1]
    problems += [f"{files.ca}: {_out_of_date(c, now)}" for c in authorities if _out_of_date(c, now)]
    problems += [f"{files.cert}: {_out_of_date(c, now)}" for c in own if _out_of_date(c, now)]
    try:
        public = load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError):
        problems.append(f"{files.key}: not a private key in PEM form without a passphrase")
    else:
        if own and _spki(public) != _spki(own[0].public_key()):
            problems.append(f"{files.key}: not the key of the certificate {files.cert}")
    identity = None
    try:
        identity = _identity(_uris(own[0])) if own else None
    except PeerError as error:
        problems.append(f"{files.cert}: {error}")
    if problems or identity is None:
        raise ConfigError(problems)
    return _Pem(ca, cert, key, identity)


def _read(path: Path, *, problems: list[str]) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        problems.append(f"{path}: {error.strerror or error}")
        return b""


def _certificates(path: Path, pem: bytes, *, problems: list[str]) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        problems.append(f"{path}: not a certificate in PEM form")
        return []


def _out_of_date(certificate: x509.Certificate, now: datetime) -> str:
    """A sentence where the certificate does not hold at `now`; empty where it does."""
    if now > certificate.not_valid_after_utc:
        return f"the certificate ended on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    if now < certificate.not_valid_before_utc:
        return f"the certificate begins on {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; is the clock right?"
    return ""


def _uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [uri for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if uri.startswith(f"{URI_SCHEME}:")]


def _identity(uris: list[str]) -> PeerIdentity:
    if len(uris) != 1:
        raise PeerError(
            f"the certificate carries {len(uris) or 'no'} identities of the form {URI_SCHEME}://ROLE/NAME; one is needed"
        )
    role, _, name = uris[0].partition("://")[2].partition("/")
    try:
        return PeerIdentity(PeerRole(role), agent_name(name))
    except ValueError as error:
        raise PeerError(f"the certificate's identity {uris[0][:200]!r} cannot be used: {error}") from None


def _spki(public_key: PublicKeyTypes) -> bytes:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)
