"""Who may deliver and who may see what. Pure.

A source sees its own versions and no other's; what it need not send again is what it, or a source of its namespace, has
delivered. The operator, by certificate or on the admin socket, sees everything and delivers nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from common.errors import PeerError
from common.model import Selection
from common.tls import PeerIdentity, PeerRole


class Access:
    """The rules, from the configuration."""

    def __init__(self, namespace_by_source: Mapping[str, str] | None) -> None:
        """None: every source with a certificate is admitted, each in a namespace of its own."""
        self._namespaces = namespace_by_source

    def source(self, peer: PeerIdentity) -> str:
        """The name of a source that may deliver. Errors: PeerError."""
        if peer.role is not PeerRole.SOURCE:
            raise PeerError(f"{peer.uri} is not a source: only a source delivers versions")
        if self._namespaces is not None and peer.name not in self._namespaces:
            raise PeerError(f"source {peer.name} is not admitted here: its name is not under `sources` in the configuration")
        return peer.name

    def sharing(self, source: str) -> frozenset[str]:
        """The sources whose contents `source` need not send again, itself among them."""
        if self._namespaces is None or source not in self._namespaces:
            return frozenset({source})
        return self.sharing_in(self._namespaces[source])

    def namespace(self, source: str) -> str:
        """The namespace of a source that may deliver. Errors: KeyError for another."""
        return source if self._namespaces is None else self._namespaces[source]

    def namespaces(self, sources: Iterable[str]) -> list[str]:
        """All namespaces, where only `sources` are known ones unless the configuration names them."""
        return sorted(set(sources if self._namespaces is None else self._namespaces.values()))

    def sharing_in(self, namespace: str) -> frozenset[str]:
        """The sources of a namespace."""
        if self._namespaces is None:
            return frozenset({namespace})
        return frozenset(name for name, its in self._namespaces.items() if its == namespace)

    def listing(self, peer: PeerIdentity, selection: Selection) -> Selection:
        """The selection, narrowed to what the peer may see. Errors: PeerError."""
        return selection if peer.role is PeerRole.OPERATOR else replace(selection, source=self.reading(peer, selection.source))

    def reading(self, peer: PeerIdentity, source: str) -> str:
        """The source whose contents a peer asks for; empty means its own. Errors: PeerError where it may not."""
        if peer.role is PeerRole.OPERATOR:
            return source
        own = self.source(peer)
        if source not in {"", own}:
            raise PeerError(f"source {own} may not see versions of {source}")
        return own
