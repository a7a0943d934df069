"""The error family. The class is the policy: who retries, who gives up, which exit code a command ends with.

    SmarterError
    ├── ConfigError          the operator's file is wrong; every mistake is listed at once          exit 78
    ├── TransientError       the peer, the link or a full disk: retried with full jitter            exit 20
    ├── PeerError            the peer is not who it should be, or speaks another protocol           exit 20
    ├── RefusedError         the destination said no to this version; it is quarantined             exit 3
    ├── ContentError         this file only: vanished, changed while read, a codec refused it
    ├── IntegrityError       bytes are not what their digest says; never retried, never passed over exit 30
    └── IllegalTransition    a bug: a delivery was asked to make a step its state does not allow    exit 1

Foreign exceptions are mapped to these once per library, at the edge that calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """What every command of the three programs may end with."""

    OK = 0
    ERROR = 1
    USAGE = 2
    PARTIAL = 3
    PEER = 20
    INTEGRITY = 30
    CONFIG = 78
    INTERRUPTED = 130


class SmarterError(Exception):
    """The base of every error that the program raises on purpose."""

    exit_code = ExitCode.ERROR


class ConfigError(SmarterError):
    """A configuration file that cannot be used; `problems` has one `file:line: what` for each mistake."""

    exit_code = ExitCode.CONFIG

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class TransientError(SmarterError):
    """Something that may well work a little later."""

    exit_code = ExitCode.PEER


class PeerError(SmarterError):
    """The other side cannot be talked to as things are: certificate, name or protocol. Waiting does not help."""

    exit_code = ExitCode.PEER


class RefusedError(SmarterError):
    """The destination refused a version for a reason that resending does not cure."""

    exit_code = ExitCode.PARTIAL


class ContentError(SmarterError):
    """One file cannot be taken as it is; `reason` is a short word for counters, the message is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class IntegrityError(SmarterError):
    """Stored or received bytes do not have the digest that names them."""

    exit_code = ExitCode.INTEGRITY


class IllegalTransition(SmarterError):
    """A state machine was asked for a step that its table does not have."""
