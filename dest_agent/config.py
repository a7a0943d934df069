"""The destination agent's configuration file: where it listens, what it keeps, and whom it takes versions from. Data only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from common.config import (
    AdminSection,
    AgentName,
    AgentSection,
    BandwidthSection,
    ByteSize,
    ConfigPath,
    Count,
    HealthPingSection,
    HostPort,
    LogSection,
    MetricsSection,
    Mistakes,
    Seconds,
    Section,
    TimetableText,
    TlsSection,
    available_cpus,
    load,
)
from common.errors import ConfigError
from common.model import Limits
from common.tls import PeerIdentity, PeerRole, own_identity
from common.wire.replication import MAX_MATCHES
from common.yamltext import Loc


class StoreSection(Section):
    """Where the bytes are kept, and in which form."""

    kind: Literal["files"]
    path: ConfigPath
    keep: Literal["coded", "original"] = "coded"
    """`coded` keeps what arrived, recoded small; `original` keeps plain bytes, which restore at disk speed."""


class AdmittedSource(Section):
    """A source that may deliver here."""

    name: AgentName
    namespace: AgentName | None = None
    """Sources of one namespace may link to each other's contents without sending them; None: a namespace of its own."""


class DestLimits(Section):
    """What the destination agent takes from a peer and may use of its machine."""

    content_bytes: Annotated[ByteSize, Field(gt=0)] = Limits().content_bytes
    """The largest single content that is taken."""
    min_free_bytes: ByteSize = 256 << 20
    """Below this much free space uploads are refused until there is more."""
    workers: Count = Field(default_factory=available_cpus)
    """Processes that decode and prove contents."""
    worker_memory: Annotated[ByteSize, Field(ge=64 << 20)] = 1 << 30
    """Of each worker."""


class DestBandwidth(BandwidthSection):
    """When how much may leave and come over the network; the admin socket knows no hours."""

    restore: TimetableText = "off"
    """Contents that are read back."""


class SimilarSection(Section):
    """What a source is told of pictures that look like those it offers."""

    k: Annotated[int, Field(ge=0, le=MAX_MATCHES)] = 5
    """Pictures that are named to it; with 0 sketches are neither compared nor kept."""


class DestConfig(Section):
    """A whole dest.yaml."""

    version: Literal[1]
    agent: AgentSection
    tls: TlsSection
    listen: HostPort
    admin: AdminSection
    store: StoreSection
    sources: tuple[AdmittedSource, ...] | None = None
    """None: every source with a certificate of our authority, each in a namespace of its own."""
    limits: DestLimits = DestLimits()
    bandwidth: DestBandwidth = DestBandwidth()
    similar: SimilarSection = SimilarSection()
    orphan_grace: Seconds = 86400.0
    """How long an object without a recipe may lie before it is swept."""
    metrics: MetricsSection = MetricsSection()
    health_ping: HealthPingSection = HealthPingSection()
    log: LogSection = LogSection()

    @property
    def namespace_by_source(self) -> dict[str, str] | None:
        """The admitted sources; None where all are, each in a namespace of its own."""
        return None if self.sources is None else {s.name: s.namespace or s.name for s in self.sources}

    @field_validator("sources", mode="after")
    @classmethod
    def _distinct(cls, sources: tuple[AdmittedSource, ...] | None) -> tuple[AdmittedSource, ...] | None:
        names = [s.name for s in sources or ()]
        found: list[tuple[Loc, str]] = [
            ((n, "name"), f"{name!r} stands here twice") for n, name in enumerate(names) if name in names[:n]
        ]
        if found:
            raise Mistakes(found)
        return sources

    @model_validator(mode="after")
    def _apart(self) -> DestConfig:
        if self.agent.state == self.store.path or self.store.path in self.agent.state.parents:
            raise Mistakes(
                [
                    (
                        ("agent", "state"),
                        "lies inside the store's own folder: keep the catalogue beside the objects, not among them",
                    )
                ]
            )
        return self


def load_dest_config(path: Path) -> DestConfig:
    """Reads dest.yaml. Errors: ConfigError with every problem."""
    return load(path, DestConfig)


def own_dest_config(path: Path) -> DestConfig:
    """Reads dest.yaml. Errors: ConfigError with every problem; where the certificate is another agent's."""
    config = load_dest_config(path)
    own, wanted = own_identity(config.tls.files()), PeerIdentity(PeerRole.DESTINATION, config.agent.name)
    if own != wanted:
        raise ConfigError([f"{path}: tls.cert: the certificate is for {own.uri}, the agent is {wanted.uri}"])
    return config
