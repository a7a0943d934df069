"""The admin socket: a Unix socket of mode 0600 on which an agent answers whoever may open it, and nobody else."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import grpc.aio

from common.durable import make_directory
from common.errors import ConfigError, SmarterError

MAX_PATH_BYTES = 107
"""The kernel's limit on the path of a Unix socket."""


def bind(server: grpc.aio.Server, path: Path) -> None:
    """Adds the socket to a server that has not started. What a dead process left at the path is replaced.

    Errors: ConfigError for a path that is too long or is something else; SmarterError where another agent answers there.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ConfigError([f"admin.socket: {path}: longer than {MAX_PATH_BYTES} bytes, which no Unix socket can be"])
    make_directory(path.parent)
    _clear(path)
    # The mode must be right from the first moment: a chmod afterwards would leave the door open for a while.
    before = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise SmarterError(f"admin.socket: {path}: {error}") from error
    finally:
        os.umask(before)


def _clear(path: Path) -> None:
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_socket():
        raise ConfigError([f"admin.socket: {path}: exists and is no socket"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise SmarterError(f"admin.socket: {path}: another agent answers there")
