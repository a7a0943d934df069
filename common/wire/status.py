"""Errors to gRPC status codes and back: one table, so that the exit code is the same on both sides of a call."""

from __future__ import annotations

import grpc

from common.errors import ConfigError, ContentError, IntegrityError, PeerError, RefusedError, SmarterError, TransientError
from common.paths import printable

MAX_WORDS = 1000
"""Characters of what one side tells the other in an error: they travel in a header, and end on a terminal or in a log."""

_CODE_BY_ERROR: tuple[tuple[type[BaseException], grpc.StatusCode], ...] = (
    (IntegrityError, grpc.StatusCode.DATA_LOSS),
    (TransientError, grpc.StatusCode.UNAVAILABLE),
    (PeerError, grpc.StatusCode.PERMISSION_DENIED),
    (RefusedError, grpc.StatusCode.FAILED_PRECONDITION),
    (ConfigError, grpc.StatusCode.FAILED_PRECONDITION),
    (ContentError, grpc.StatusCode.NOT_FOUND),
    (ValueError, grpc.StatusCode.INVALID_ARGUMENT),
)

_ERROR_BY_CODE: dict[grpc.StatusCode, type[SmarterError]] = {
    grpc.StatusCode.DATA_LOSS: IntegrityError,
    grpc.StatusCode.UNAVAILABLE: TransientError,
    grpc.StatusCode.DEADLINE_EXCEEDED: TransientError,
    grpc.StatusCode.CANCELLED: TransientError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: TransientError,
    grpc.StatusCode.INTERNAL: TransientError,
    grpc.StatusCode.UNKNOWN: TransientError,
    grpc.StatusCode.PERMISSION_DENIED: PeerError,
    grpc.StatusCode.UNAUTHENTICATED: PeerError,
    grpc.StatusCode.UNIMPLEMENTED: PeerError,
    grpc.StatusCode.FAILED_PRECONDITION: RefusedError,
    grpc.StatusCode.INVALID_ARGUMENT: RefusedError,
    grpc.StatusCode.NOT_FOUND: RefusedError,
}

# gRPC has one code for a dead peer and for a certificate that does not fit; only its words tell them apart.
_TLS_WORDS = (
    "CERTIFICATE_VERIFY_FAILED",
    "Peer name",
    "Verification Check failed",
    "SSL_ERROR_SSL",
    "handshake failed",
    "certificate required",
)


def code_of(error: BaseException) -> grpc.StatusCode:
    """The status code that a servicer ends a call with for `error`; INTERNAL for what nobody foresaw."""
    return next((code for kind, code in _CODE_BY_ERROR if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def error_of(call: grpc.RpcError | grpc.aio.AioRpcError, *, peer: str) -> SmarterError:
    """The error that a failed call to `peer` means, with the peer's name and words in its message, none of them obeyed."""
    code = call.code() if hasattr(call, "code") else grpc.StatusCode.UNKNOWN
    details = printable(((call.details() if hasattr(call, "details") else "") or code.name)[:MAX_WORDS])
    if code is grpc.StatusCode.UNAVAILABLE and any(word in details for word in _TLS_WORDS):
        return PeerError(f"{peer}: TLS handshake refused: {details}")
    return _ERROR_BY_CODE.get(code, SmarterError)(f"{peer}: {details}")
