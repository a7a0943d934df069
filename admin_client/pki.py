"""`smarter pki init`: a certificate authority and the certificates of agents and operator, for mutual TLS.

One directory holds `ca.pem`, `ca.key`, `NAME.pem` and `NAME.key` for each agent, `operator.pem` and `operator.key`. The
directory is 0700, each file 0600. `ca.key` is needed only to issue more: keep it off the agents' machines.

No existing certificate is overwritten by accident: issuing into a directory that has a CA adds what is missing
with that CA, and refuses a name that is there already unless the caller forces it. Keys are written before their
certificates, each durably, so a crash leaves at worst a key without a certificate, which the next call replaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from common import durable
from common.clock import Clock, SystemClock
from common.errors import ConfigError
from common.ids import agent_name
from common.tls import PeerIdentity, PeerRole

CA_VALID = timedelta(days=3652)
CERTIFICATE_VALID = timedelta(days=825)
OPERATOR = "operator"
_BACKDATED = timedelta(hours=1)
"""Certificates begin a little earlier, for the clocks of two sites never agree exactly."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What one call wrote: names of certificates, and whether the CA was made or was there."""

    directory: Path
    ca_made: bool
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def issue_pki(
    directory: Path, *, sources: Sequence[str] = (), dests: Sequence[str] = (), force: bool = False, clock: Clock | None = None
) -> Issued:
    """Writes certificates for the named agents, with a CA and an operator's certificate where the directory has none yet.

    With `force` the certificates of the named agents are issued anew; the CA never is, for that would cut off every
    other agent: remove the directory for a new one.
    Errors: ConfigError naming every name that is not allowed, taken twice, or there already; nothing is written then.
    """
    wanted = [(PeerRole.SOURCE, name) for name in sources] + [(PeerRole.DESTINATION, name) for name in dests]
    _admit(directory, wanted, force=force)
    now = datetime.fromtimestamp((clock or SystemClock()).now_ns() // 10**9, UTC)
    try:
        durable.make_directory(directory)
        directory.chmod(0o700)
        ca_made = not (directory / "ca.pem").exists()
        authority = _make_authority(directory, now) if ca_made else _load_authority(directory)
        if not (directory / f"{OPERATOR}.pem").exists():
            wanted.append((PeerRole.OPERATOR, OPERATOR))
        for role, name in wanted:
            _issue(directory, authority, identity=PeerIdentity(role, name), now=now)
    except OSError as error:
        raise ConfigError([f"{error.filename or directory}: {error.strerror or error}"]) from None
    return Issued(directory, ca_made, tuple(name for _, name in wanted))


def _admit(directory: Path, wanted: Sequence[tuple[PeerRole, str]], *, force: bool) -> None:
    problems: list[str] = []
    seen: set[str] = set()
    for role, name in wanted:
        try:
            agent_name(name)
        except ValueError as error:
            problems.append(f"--{'dest' if role is PeerRole.DESTINATION else role}: {error}")
            continue
        if name in {OPERATOR, "ca"}:
            problems.append(f"{name!r} names a file of its own in this directory; choose another name")
        elif name in seen:
            problems.append(f"{name!r} is named twice; every agent needs a name of its own")
        elif not force and (directory / f"{name}.pem").exists():
            problems.append(f"{directory / name}.pem is there already; --force issues it anew")
        seen.add(name)
    if (directory / "ca.pem").exists() and not (directory / "ca.key").exists():
        problems.append(f"{directory}/ca.pem is there without ca.key, so nothing more can be issued with it")
    if problems:
        raise ConfigError(problems)


def _make_authority(directory: Path, now: datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Smarter CA")])
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + CA_VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(directory, "ca", key=key, certificate=certificate)
    return _Authority(certificate, key)


def _load_authority(directory: Path) -> _Authority:
    try:
        certificate = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
        key = load_pem_private_key((directory / "ca.key").read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise ConfigError([f"{directory}/ca.pem or ca.key cannot be read: {error}"]) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ConfigError([f"{directory}/ca.key is not the key of {directory}/ca.pem"])
    return _Authority(certificate, key)


def _issue(directory: Path, authority: _Authority, *, identity: PeerIdentity, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if identity.role is not PeerRole.OPERATOR:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    names = [x509.DNSName(identity.name), x509.UniformResourceIdentifier(identity.uri)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity.name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(min(now + CERTIFICATE_VALID, authority.certificate.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    _write(directory, identity.name, key=key, certificate=certificate)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write(directory: Path, stem: str, *, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    durable.write_file(directory / f"{stem}.key", secret)
    durable.write_file(directory / f"{stem}.pem", certificate.public_bytes(Encoding.PEM))
