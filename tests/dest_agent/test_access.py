"""Who may deliver and who may see what."""

from __future__ import annotations

import pytest

from common.errors import PeerError
from common.model import Selection
from common.tls import ADMIN_SOCKET, PeerIdentity, PeerRole
from dest_agent.access import Access

LISBON = PeerIdentity(PeerRole.SOURCE, "lisbon-1")
PORTO = PeerIdentity(PeerRole.SOURCE, "porto-1")
OPERATOR = PeerIdentity(PeerRole.OPERATOR, "operator")
OTHER_DEST = PeerIdentity(PeerRole.DESTINATION, "oslo-2")


def test_only_a_source_delivers() -> None:
    """Not the operator, not another destination."""
    access = Access(None)
    assert access.source(LISBON) == "lisbon-1"
    for peer in (OPERATOR, ADMIN_SOCKET, OTHER_DEST):
        with pytest.raises(PeerError, match="not a source"):
            access.source(peer)


def test_a_source_that_is_not_listed_is_not_admitted() -> None:
    """Though our authority signed its certificate."""
    access = Access({"lisbon-1": "lisbon-1"})
    with pytest.raises(PeerError, match="porto-1"):
        access.source(PORTO)
    with pytest.raises(PeerError, match="porto-1"):
        access.listing(PORTO, Selection())


def test_sources_share_within_their_namespace_alone() -> None:
    """And each with itself where nothing is configured."""
    access = Access({"lisbon-1": "family", "porto-1": "family", "faro-1": "faro-1"})
    assert access.sharing("lisbon-1") == {"lisbon-1", "porto-1"}
    assert access.sharing("faro-1") == {"faro-1"}
    assert Access(None).sharing("lisbon-1") == {"lisbon-1"}


def test_a_namespace_has_the_sources_that_share_in_it() -> None:
    """A source that is no longer admitted shares with nobody, also where a namespace bears its name."""
    access = Access({"lisbon-1": "porto-1", "faro-1": "faro-1"})
    assert access.namespaces(["porto-1", "braga-1"]) == ["faro-1", "porto-1"]
    assert access.namespace("lisbon-1") == "porto-1"
    assert access.sharing_in("porto-1") == access.sharing("lisbon-1") == {"lisbon-1"}
    assert access.sharing("porto-1") == {"porto-1"}
    assert Access(None).namespaces(["porto-1", "braga-1"]) == ["braga-1", "porto-1"]
    assert Access(None).namespace("porto-1") == "porto-1"
    assert Access(None).sharing_in("porto-1") == {"porto-1"}


def test_a_source_sees_its_own_versions_whatever_it_asks_for() -> None:
    """Also not those of its namespace: they are another machine's files."""
    access = Access({"lisbon-1": "family", "porto-1": "family"})
    assert access.listing(LISBON, Selection(policy="photos")) == Selection(policy="photos", source="lisbon-1")
    assert access.reading(LISBON, "") == access.reading(LISBON, "lisbon-1") == "lisbon-1"
    for ask in (lambda: access.listing(LISBON, Selection(source="porto-1")), lambda: access.reading(LISBON, "porto-1")):
        with pytest.raises(PeerError, match="porto-1"):
            ask()


def test_the_operator_sees_everything() -> None:
    """By certificate and by socket."""
    for peer in (OPERATOR, ADMIN_SOCKET):
        assert Access({}).listing(peer, Selection()) == Selection()
        assert Access({}).reading(peer, "porto-1") == "porto-1"


def test_another_destination_reads_nothing() -> None:
    """Its certificate is good, and it is nobody here."""
    with pytest.raises(PeerError):
        Access(None).reading(OTHER_DEST, "")
