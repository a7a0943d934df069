"""The page's connections to the two agents, opened when they are first needed and then kept."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from admin_client.client import AgentClient
from admin_client.endpoints import Endpoint, Endpoints
from common.errors import SmarterError


class Agents:
    """Threads: any."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._clients: dict[Endpoint, AgentClient] = {}
        self._lock = threading.Lock()

    def source(self) -> AgentClient:
        """The source's. Errors: SmarterError where none is configured or it cannot be dialled."""
        if self._endpoints.source is None:
            raise SmarterError("this page was started without --source: there are no groups to show")
        return self._client(self._endpoints.source)

    def statuses(self) -> dict[str, dict[str, Any]]:
        """The status of each agent that is configured, or, as {"error": ...}, why it gave none."""
        found: dict[str, dict[str, Any]] = {}
        for site, endpoint in (("source", self._endpoints.source), ("dest", self._endpoints.dest)):
            if endpoint is None:
                continue
            try:
                found[site] = self._client(endpoint).status()
            except SmarterError as error:
                found[site] = {"error": str(error)}
        return found

    def close(self) -> None:
        """Ends the connections."""
        with self._lock:
            while self._clients:
                _, client = self._clients.popitem()
                with suppress(SmarterError):
                    client.close()

    def _client(self, endpoint: Endpoint) -> AgentClient:
        with self._lock:
            if endpoint not in self._clients:
                self._clients[endpoint] = AgentClient(endpoint)
            return self._clients[endpoint]
