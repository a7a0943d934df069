"""What `smarter pki init` writes, and what it never overwrites."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from admin_client.pki import issue_pki
from common.errors import ConfigError


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_files_are_private_and_complete(tmp_path: Path) -> None:
    """Directory 0700, files 0600, a pair for everyone and no leftovers."""
    directory = tmp_path / "deep" / "pki"
    issued = issue_pki(directory, sources=["lisbon-1"], dests=["oslo-1"])
    assert issued.ca_made
    assert issued.names == ("lisbon-1", "oslo-1", "operator")
    expected = {f"{stem}.{kind}" for stem in ("ca", "lisbon-1", "oslo-1", "operator") for kind in ("pem", "key")}
    assert {path.name for path in directory.iterdir()} == expected
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


def test_each_certificate_says_who_and_for_what(tmp_path: Path) -> None:
    """CN, DNS name and URI agree; only agents may be servers; the CA signed it and may sign nothing deeper."""
    issue_pki(tmp_path, sources=["lisbon-1"], dests=["oslo-1"])
    ca = _certificate(tmp_path / "ca.pem")
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(ca=True, path_length=0)
    for name, role in (("lisbon-1", "source"), ("oslo-1", "destination"), ("operator", "operator")):
        certificate = _certificate(tmp_path / f"{name}.pem")
        certificate.verify_directly_issued_by(ca)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [name]
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"smarter://{role}/{name}"]
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert (ExtendedKeyUsageOID.SERVER_AUTH in usages) == (role != "operator")
        assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 825
    assert 3650 <= (ca.not_valid_after_utc - ca.not_valid_before_utc).days <= 3653


def test_another_agent_is_added_with_the_same_authority(tmp_path: Path) -> None:
    """A second call keeps every file that is there."""
    issue_pki(tmp_path, sources=["lisbon-1"], dests=["oslo-1"])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    issued = issue_pki(tmp_path, sources=["porto-1"])
    assert not issued.ca_made
    assert issued.names == ("porto-1",)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {name: after[name] for name in before} == before
    _certificate(tmp_path / "porto-1.pem").verify_directly_issued_by(_certificate(tmp_path / "ca.pem"))


def test_an_existing_certificate_is_not_overwritten_without_force(tmp_path: Path) -> None:
    """The call is refused whole, so that nothing is half done; force renews it."""
    issue_pki(tmp_path, sources=["lisbon-1"])
    before = (tmp_path / "lisbon-1.pem").read_bytes()
    with pytest.raises(ConfigError, match="there already; --force"):
        issue_pki(tmp_path, sources=["porto-1", "lisbon-1"])
    assert not (tmp_path / "porto-1.pem").exists()
    issue_pki(tmp_path, sources=["lisbon-1"], force=True)
    assert (tmp_path / "lisbon-1.pem").read_bytes() != before


def test_every_bad_name_is_named(tmp_path: Path) -> None:
    """One message for all mistakes, and nothing written."""
    with pytest.raises(ConfigError) as caught:
        issue_pki(tmp_path / "pki", sources=["Lisbon", "a", "operator", "../x"], dests=["a", "ca"])
    assert len(caught.value.problems) == 5
    assert not (tmp_path / "pki").exists()


def test_an_authority_without_its_key_issues_nothing(tmp_path: Path) -> None:
    """A machine that has only ca.pem cannot be made into an authority by mistake."""
    issue_pki(tmp_path, sources=["lisbon-1"])
    (tmp_path / "ca.key").unlink()
    with pytest.raises(ConfigError, match=r"without ca\.key"):
        issue_pki(tmp_path, dests=["oslo-1"])
