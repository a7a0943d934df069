"""Where an agent is asked: from the command line, else from the client's file; and who it is that listens there.

An address is `unix:PATH`, the agent's admin socket, which its file mode guards, or `HOST:PORT`, where both sides show
certificates. The operator dials a site, not a name, so the name that gRPC checks is read from the listener's
certificate first, after the CA and the role in it have been proved: any agent of the right role is the right one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from admin_client.options import Connection
from common.config import MAX_SOCKET_BYTES, host_port
from common.errors import PeerError
from common.tls import PeerIdentity, PeerRole, TlsFiles, listener_identity

CONFIG_VARIABLE = "SMARTER_CONFIG"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An agent's address, the role it must have, and the operator's certificate where the address is a network's."""

    role: PeerRole
    address: str
    tls: TlsFiles | None = None

    @property
    def is_local(self) -> bool:
        """Whether the address is a Unix socket."""
        return self.address.startswith("unix:")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The agents that this call may ask; None where neither the command line nor a file names one."""

    source: Endpoint | None
    dest: Endpoint | None

    def need_dest(self) -> Endpoint:
        """The destination. Errors: click.UsageError where none is named."""
        if self.dest is None:
            raise click.UsageError(
                "name the destination agent: --dest unix:PATH, --dest HOST:PORT --tls DIR, or `dest:` in client.yaml"
            )
        return self.dest

    def need_source(self) -> Endpoint:
        """The source. Errors: click.UsageError where none is named."""
        if self.source is None:
            raise click.UsageError(
                "name the source agent: --source unix:PATH, --source HOST:PORT --tls DIR, or `source:` in client.yaml"
            )
        return self.source


def find_endpoints(connection: Connection, *, environ: Callable[[str], str | None] = os.environ.get) -> Endpoints:
    """Both agents' endpoints: the command line first, then --config, $SMARTER_CONFIG, ~/.config/smarter/client.yaml.

    Errors: ConfigError for a file that cannot be used; click.UsageError for an address that is none or lacks --tls.
    """
    path = _config_path(connection, environ)
    source = dest = None
    files = None
    if path is not None:
        from admin_client.config import load_client_config  # noqa: PLC0415 - pydantic is slow to import

        config = load_client_config(path)
        source, dest = config.source, config.dest
        files = config.tls.files() if config.tls else None
    if connection.tls is not None:
        at = connection.tls
        files = TlsFiles(ca=at / "ca.pem", cert=at / "operator.pem", key=at / "operator.key")
    return Endpoints(
        source=_endpoint(PeerRole.SOURCE, connection.source or source, files),
        dest=_endpoint(PeerRole.DESTINATION, connection.dest or dest, files),
    )


def server_identity(endpoint: Endpoint) -> PeerIdentity:
    """Who listens at a network endpoint, proved to be an agent of the role that is expected there.

    Errors: ConfigError for our own files; PeerError where CA or role do not fit; TransientError where nobody answers.
    """
    assert endpoint.tls is not None, "a local endpoint shows no certificate"  # noqa: S101 - a caller's bug, not an input
    identity = listener_identity(endpoint.address, endpoint.tls)
    if identity.role is not endpoint.role:
        raise PeerError(f"{endpoint.address}: a {identity.role} agent ({identity.name}) listens there, not a {endpoint.role}")
    return identity


def _config_path(connection: Connection, environ: Callable[[str], str | None]) -> Path | None:
    named = connection.config or (Path(text) if (text := environ(CONFIG_VARIABLE)) else None)
    if named is not None:
        return named
    home = environ("XDG_CONFIG_HOME") or f"{environ('HOME') or '~'}/.config"
    default = Path(home).expanduser() / "smarter" / "client.yaml"
    return default if default.exists() else None


def _endpoint(role: PeerRole, address: str | None, files: TlsFiles | None) -> Endpoint | None:
    if address is None:
        return None
    option = "--dest" if role is PeerRole.DESTINATION else "--source"
    if address.startswith("unix:"):
        path = os.path.abspath(address.removeprefix("unix:"))
        if len(os.fsencode(path)) > MAX_SOCKET_BYTES:
            raise click.UsageError(f"{option} {address}: a Unix socket's path has at most {MAX_SOCKET_BYTES} bytes")
        return Endpoint(role, f"unix:{path}")
    try:
        host_port(address)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}; a Unix socket is unix:PATH") from None
    if files is None:
        raise click.UsageError(
            f"{option} {address}: a network address needs --tls DIR with ca.pem, operator.pem and operator.key"
        )
    return Endpoint(role, address, files)
