"""Certificates for tests: one CA with agents and an operator, issued as `smarter pki init` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from admin_client.pki import issue_pki
from common.tls import TlsFiles

SOURCE = "lisbon-1"
DEST = "oslo-1"


def make_pki(directory: Path, *, sources: Sequence[str] = (SOURCE,), dests: Sequence[str] = (DEST,)) -> Path:
    """Issues a PKI in `directory` and gives the directory back."""
    issue_pki(directory, sources=sources, dests=dests)
    return directory


def tls_files(directory: Path, name: str) -> TlsFiles:
    """The TLS files of one holder in a PKI directory."""
    return TlsFiles(ca=directory / "ca.pem", cert=directory / f"{name}.pem", key=directory / f"{name}.key")
