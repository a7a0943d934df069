"""Two sources at one destination: each proves what it has, and neither sees, or profits from, what the other has."""

from __future__ import annotations

import random

import pytest

from admin_client.client import AgentClient, ContentEnd
from admin_client.endpoints import Endpoint
from common.errors import PeerError
from common.ids import Digest, digest_of
from common.model import Selection
from common.tls import PeerRole
from tests.e2e.test_copies import content_bytes
from tests.fakes.compare import differences
from tests.fakes.pki import tls_files
from tests.fakes.receipts import false_receipts
from tests.fakes.sites import Sites, sites

LISBON, PORTO = "lisbon-1", "porto-1"
SHARED = random.Random(1).randbytes(40_000)
SECRET = random.Random(2).randbytes(20_000)


def client_of(at: Sites, name: str) -> AgentClient:
    """A connection over TLS with the certificate of one of the agents."""
    return AgentClient(Endpoint(PeerRole.DESTINATION, f"127.0.0.1:{at.port}", tls_files(at.pki, name)))


def fetched(client: AgentClient, source: str, content: bytes) -> tuple[bytes, ContentEnd]:
    """The bytes that a client gets when it asks for a content, and how the answer ends."""
    *pieces, end = client.fetch([(source, Digest(digest_of(content)))])
    assert isinstance(end, ContentEnd)
    return b"".join(piece for piece in pieces if isinstance(piece, bytes)), end


def test_two_sources_prove_their_own_contents_and_see_only_their_own_versions() -> None:
    """To know a digest is not to have the content: the second source sends it too, and each restores its own."""
    with sites(sources=(LISBON, PORTO)) as at:
        (at.library_of(LISBON) / "shared").write_bytes(SHARED)
        (at.library_of(LISBON) / "secret").write_bytes(SECRET)
        (at.library_of(PORTO) / "also here").write_bytes(SHARED)
        at.dest()
        at.once(name=LISBON)
        second = at.once(name=PORTO)
        assert content_bytes(second) >= len(SHARED)
        assert second["exact_duplicates"] == 0
        assert at.dest_status()["contents"] == 2, "equal contents share an object once each is proved"
        assert false_receipts(at, source=LISBON) == []
        with client_of(at, PORTO) as porto:
            assert {entry.version.id.agent for entry in porto.entries(Selection())} == {PORTO}
            with pytest.raises(PeerError):
                list(porto.entries(Selection(source=LISBON)))
            assert fetched(porto, "", SHARED)[0] == SHARED
            content, end = fetched(porto, "", SECRET)
            assert content == b""
            assert end.failed is not None
            content, end = fetched(porto, LISBON, SHARED)
            assert content == b""
            assert end.failed is not None
            with pytest.raises(PeerError):
                list(porto.verify(""))
        for name in (LISBON, PORTO):
            assert differences(at.library_of(name), at.restore("--from", name)) == []


def test_sources_of_one_namespace_share_what_either_has_sent() -> None:
    """Where the destination's owner says so, the second one sends nothing."""
    in_dest = {"sources": [{"name": LISBON, "namespace": "family"}, {"name": PORTO, "namespace": "family"}]}
    with sites(sources=(LISBON, PORTO), in_dest=in_dest) as at:
        (at.library_of(LISBON) / "shared").write_bytes(SHARED)
        (at.library_of(PORTO) / "also here").write_bytes(SHARED)
        at.dest()
        at.once(name=LISBON)
        second = at.once(name=PORTO)
        assert content_bytes(second) == 0
        assert second["exact_duplicates"] == 1
        assert differences(at.library_of(PORTO), at.restore("--from", PORTO)) == []


def test_a_source_that_is_not_named_is_not_admitted() -> None:
    """A certificate of our authority is not enough where the sources are listed; the source is told why, and ends with 20."""
    with sites(sources=(LISBON, PORTO), in_dest={"sources": [{"name": LISBON}]}) as at:
        (at.library_of(PORTO) / "file").write_bytes(SHARED)
        at.dest()
        ended = at.once_started(name=PORTO).wait()
        assert ended.code == 20
        assert "not admitted" in ended.stderr
        assert at.ls() == []
