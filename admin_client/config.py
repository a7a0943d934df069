"""The operator's configuration file: where the two agents are asked, and with which certificate. Data only."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from common.config import AgentAddress, Mistakes, Section, TlsSection, load


class ClientConfig(Section):
    """A whole client.yaml. An address is `unix:PATH`, an agent's admin socket, or `HOST:PORT`, which needs `tls`."""

    version: Literal[1]
    source: AgentAddress | None = None
    dest: AgentAddress | None = None
    tls: TlsSection | None = None

    @model_validator(mode="after")
    def _reachable(self) -> ClientConfig:
        remote = [
            name
            for name, address in (("source", self.source), ("dest", self.dest))
            if address and not address.startswith("unix:")
        ]
        if remote and self.tls is None:
            raise Mistakes([((name,), "an address of a network needs `tls`: the agents speak to no stranger") for name in remote])
        return self


def load_client_config(path: Path) -> ClientConfig:
    """Reads client.yaml. Errors: ConfigError with every problem."""
    return load(path, ClientConfig)
