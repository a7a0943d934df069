"""Certificates that are renewed while both daemons run: no restart, and the old ones are gone at the next connection."""

from __future__ import annotations

import socket
import ssl

from admin_client.pki import issue_pki
from tests.fakes.compare import differences
from tests.fakes.pki import tls_files
from tests.fakes.relay import Relay
from tests.fakes.sites import DEST, SOURCE, Sites, sites, until


def shown_certificate(at: Sites) -> str:
    """The certificate that the destination shows to whoever connects now, as PEM."""
    files = tls_files(at.pki, "operator")
    context = ssl.create_default_context(cafile=str(files.ca))
    context.load_cert_chain(files.cert, files.key)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", at.port), 10) as raw,
        context.wrap_socket(raw, server_hostname=DEST) as tls,
    ):
        certificate = tls.getpeercert(binary_form=True)
    assert certificate is not None
    return ssl.DER_cert_to_PEM_cert(certificate)


def test_certificates_renewed_while_the_daemons_run_are_used_from_the_next_connection_on() -> None:
    """Both sites read the new files by themselves, and deliveries go on after the link was cut."""
    with sites(policy={"settle": "0.1s"}) as at, Relay(("127.0.0.1", at.port)) as relay:
        at.dial(relay.port)
        (at.library / "before").write_text("before")
        dest, source = at.dest(), at.source()
        until(lambda: at.mirrors(at.library), "the first file is delivered")
        before = shown_certificate(at)
        issue_pki(at.pki, sources=[SOURCE], dests=[DEST], force=True)
        new = (at.pki / f"{DEST}.pem").read_text()
        assert new != before
        relay.cut()
        until(lambda: shown_certificate(at) == new, "the destination shows the new certificate")
        (at.library / "after").write_text("after")
        until(lambda: at.mirrors(at.library), "the second file is delivered", seconds=60)
        assert source.is_alive
        assert dest.is_alive
        assert differences(at.library, at.restore()) == []


def test_agents_of_different_authorities_do_not_talk() -> None:
    """A destination that our authority does not know is refused at once, with exit code 20 and a word about certificates."""
    with sites() as at:
        (at.library / "file").write_text("not for strangers")
        at.dest()
        for path in at.pki.iterdir():
            path.unlink()
        issue_pki(at.pki, sources=[SOURCE], dests=["elsewhere"])
        ended = at.once_started().wait()
        assert ended.code == 20
        assert "certificate" in ended.stderr.lower()
        assert not ended.blew_up, ended.stderr
