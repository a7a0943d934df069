"""`smarter web`: the operator's page."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import stat
from pathlib import Path

import click

from admin_client.options import Connection, connection_options
from common.config import host_port
from common.errors import ConfigError

LEAST_TOKEN = 20
_WEB_PORTS = (80, 443)


@click.command("web")
@connection_options
@click.option("--listen", default="127.0.0.1:8787", show_default=True, metavar="HOST:PORT", help="Where the page is.")
@click.option(
    "--name", "names", multiple=True, metavar="HOST", help="A name that browsers have for it, beside those of --listen."
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"What to log in with, {LEAST_TOKEN} characters or more; mode 0600.  [default: a new one, printed]",
)
@click.option(
    "--certificate", type=click.Path(path_type=Path), metavar="PEM", help="The page's own certificate, to be seen from afar."
)
@click.option("--key", type=click.Path(path_type=Path), metavar="PEM", help="... and its key.")
@click.option("--insecure-behind-proxy", is_flag=True, help="Listen anywhere without TLS: a proxy before it has that.")
def command(  # noqa: PLR0913 - one for each option
    connection: Connection,
    *,
    listen: str,
    names: tuple[str, ...],
    token_file: Path | None,
    certificate: Path | None,
    key: Path | None,
    insecure_behind_proxy: bool,
) -> None:
    """Show groups of near-duplicates and how far replication is, in a browser; decide on groups there.

    The page is for whoever has the token. It listens on this machine alone; anywhere else it wants --certificate and --key, or a
    proxy with TLS before it.
    """
    from admin_client.endpoints import find_endpoints  # noqa: PLC0415 - keeps --help quick
    from admin_client.web.app import Settings, serve  # noqa: PLC0415

    endpoints = find_endpoints(connection)
    if endpoints.source is None and endpoints.dest is None:
        raise click.UsageError("name an agent: --source ADDR, --dest ADDR, or both in client.yaml")
    try:
        host, _, port_text = host_port(listen).rpartition(":")
    except ValueError as error:
        raise click.UsageError(f"--listen: {error}") from None
    host = host.strip("[]")
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key belong together")
    if not _is_loopback(host) and certificate is None and not insecure_behind_proxy:
        raise click.UsageError(
            f"--listen {listen} is seen from other machines: give --certificate and --key, or --insecure-behind-proxy"
        )
    if host in {"0.0.0.0", "::"} and not names:  # noqa: S104 - refused, not bound
        raise click.UsageError(f"--listen {listen} is any name: say with --name which ones browsers may use")
    token = secrets.token_urlsafe(32) if token_file is None else _token(token_file)
    with socket.create_server((host, int(port_text)), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        port = listener.getsockname()[1]
        hosts = {_authority(name, port) for name in _names(host, names)} | {
            name for name in _names(host, names) if names or port in _WEB_PORTS
        }
        scheme = "http" if certificate is None else "https"
        click.echo(f"{scheme}://{_authority(host, port)}/")
        if token_file is None:
            click.echo(f"token: {token}")
        serve(endpoints, Settings(token, hosts, certificate, key, insecure_behind_proxy), listener)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names(host: str, names: tuple[str, ...]) -> list[str]:
    own = ["localhost", "127.0.0.1", "::1"] if _is_loopback(host) else []
    return list(dict.fromkeys([host, *own, *names]))


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _token(path: Path) -> str:
    """Errors: ConfigError for a file that others may read, or that holds no token; OSError."""
    with path.open(encoding="utf-8", errors="replace") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise ConfigError([f"{path}: others may read it: chmod 600"])
        token = file.read(4096).strip()
    if len(token) < LEAST_TOKEN:
        raise ConfigError([f"{path}: a token has at least {LEAST_TOKEN} characters"])
    return token
