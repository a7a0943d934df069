"""The source agent's configuration file: what is watched, by which rules, and where it goes. Data only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

from pathspec import GitIgnoreSpec
from pydantic import AfterValidator, Field, GetJsonSchemaHandler, ValidationInfo, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

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
    Label,
    LogSection,
    MetricsSection,
    Mistakes,
    Seconds,
    Section,
    TimetableText,
    TlsSection,
    available_cpus,
    load,
    resolve,
)
from common.errors import ConfigError
from common.tls import PeerIdentity, PeerRole, own_identity
from common.yamltext import Loc


def glob_pattern(text: str) -> str:
    """Admits a pattern in .gitignore's grammar. Errors: ValueError."""
    try:
        patterns = GitIgnoreSpec.from_lines([text]).patterns
    except ValueError as error:
        raise ValueError(f"{text!r} is not a pattern: {error}") from error
    if not patterns or patterns[0].include is None or "\0" in text:
        raise ValueError(f"{text!r} selects nothing: write a pattern as in .gitignore, such as '*.jpg' or '/cache/'")
    return text


Glob = Annotated[str, AfterValidator(glob_pattern)]


class SourceAdminSection(AdminSection):
    """Where an operator asks the source."""

    listen: HostPort | None = None
    """Besides the socket: over TLS, for the operator's certificate alone."""


class DestinationSection(Section):
    """Where versions go."""

    address: HostPort
    server_name: AgentName | None = None
    """The name that the destination's certificate must have; None: that of the first that answers, remembered from then on."""


class RootSection(Section):
    """A watched directory and the name under which it is kept and restored. A bare path in the file means its last part."""

    path: ConfigPath
    name: Label

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A bare path, or a mapping whose name may be left out."""
        mapping = handler.resolve_ref_schema(handler(core))
        mapping["required"] = ["path"]
        return {"anyOf": [{"type": "string", "format": "path"}, mapping]}

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: object, info: ValidationInfo) -> object:
        if isinstance(given, str):
            given = {"path": given}
        if isinstance(given, dict) and given.get("path") and isinstance(given["path"], str) and "name" not in given:
            name = resolve(given["path"], info).name
            # "/" has no last part: then `name` is missing, and the reader is told so.
            return {**given, "name": name} if name else given
        return given


class ImagesSection(Section):
    """How a policy's pictures are compared."""

    group: bool = True
    """Whether near-duplicates are found, and only the picture that stands for them is sent at once."""
    selection: Literal["auto", "review"] = "auto"
    """Who names the picture that stands for a group: `auto` takes the richest; `review` gives the user `review` to choose."""
    review: Annotated[Seconds, Field(gt=0)] = 86400.0
    """How long a new group waits for the user's word before the richest picture is taken."""


class SourceBandwidth(BandwidthSection):
    """When how much may go, by class."""

    representatives: TimetableText = "off"
    """Pictures that stand for their groups, and the small messages about everything."""
    chunks: TimetableText = "off"
    """Contents that are no pictures."""
    deferred: TimetableText = "off"
    """Members of groups."""


class PolicySection(Section):
    """A named set of roots with their rules."""

    name: Label
    roots: Annotated[tuple[RootSection, ...], Field(min_length=1)]
    include: tuple[Glob, ...] = ()
    """Patterns of the files that are kept; empty: all. Directories are always entered."""
    exclude: tuple[Glob, ...] = ()
    """Patterns of what is left out, below any directory that matches too; wins over `include`."""
    settle: Seconds = 0.5
    """How long a file's size and mtime must rest before it is read."""
    rescan: Annotated[Seconds, Field(gt=0)] = 3600.0
    """How often everything is compared with the journal, whatever the watch says."""
    pin: Literal["reflink", "copy", "off"] = "reflink"
    """How bytes are kept readable until they are delivered."""
    compression: Literal["auto", "best", "fast"] = "auto"
    """How pictures are recoded: `best` makes the fewest bytes; `fast` spends a tenth of the time, for 3 % more of JPEGs and 40 %
    more of PNGs; `auto`: best while contents wait for the link, and in the first hour of `once --drain`; else JPEGs as `fast`."""
    images: ImagesSection = ImagesSection()
    deferred: Literal["offpeak", "idle", "always"] = "idle"
    """When members of groups go, if no representative waits: `offpeak` while the timetables of `deferred` are not closed; `idle`
    besides only while the link's delay is low; `always` at any hour."""
    inline_limit: ByteSize = 64 << 10
    """A delta that is no larger goes at once, whatever the hour."""
    deadline: Annotated[Seconds, Field(gt=0)] = 7 * 86400.0
    """A member goes this long after it was seen, whatever the hour."""
    pin_budget: Annotated[ByteSize, Field(gt=0)] | None = None
    """Bytes of contents that members keep pinned while they wait; the oldest beyond it go whatever the hour. None: no bound."""
    bandwidth: SourceBandwidth = SourceBandwidth()
    """Of this policy alone, within those of the whole agent."""
    max_file_bytes: ByteSize | None = None
    """Larger files are named as refused instead of sent; None: as large as the destination takes."""

    @field_validator("roots", mode="after")
    @classmethod
    def _distinct(cls, roots: tuple[RootSection, ...]) -> tuple[RootSection, ...]:
        found = _repeated([root.name for root in roots], "root")
        for (_, one), (n, other) in combinations(enumerate(roots), 2):
            if _within(one.path, other.path) or _within(other.path, one.path):
                found.append(
                    ((n,), f"{str(other.path)!r} and {str(one.path)!r}: one holds the other, a file would be kept twice")
                )
        if found:
            raise Mistakes(found)
        return roots


class SourceHealthPingSection(HealthPingSection):
    """Likewise, with what is a failure at a source."""

    late: Annotated[Seconds, Field(gt=0)] = 3600.0
    """A version that is no member may wait so long for its receipt, and the link be down so long."""


class SourceLimits(Section):
    """What the source agent may use of its machine."""

    workers: Count = Field(default_factory=available_cpus)
    """Processes that code contents."""
    worker_memory: Annotated[ByteSize, Field(ge=64 << 20)] = 1 << 30
    """Of each worker."""
    spool_bytes: Annotated[ByteSize, Field(ge=1 << 20)] = 512 << 20
    """Coded contents that wait on disk for the link."""


class SourceConfig(Section):
    """A whole source.yaml."""

    version: Literal[1]
    agent: AgentSection
    tls: TlsSection
    destination: DestinationSection
    admin: SourceAdminSection
    policies: Annotated[tuple[PolicySection, ...], Field(min_length=1)]
    bandwidth: SourceBandwidth = SourceBandwidth()
    limits: SourceLimits = SourceLimits()
    patience: Annotated[Seconds, Field(gt=0)] = 60.0
    """How long `once` goes on without any progress before it gives up."""
    metrics: MetricsSection = MetricsSection()
    health_ping: SourceHealthPingSection = SourceHealthPingSection()
    log: LogSection = LogSection()

    @field_validator("policies", mode="after")
    @classmethod
    def _distinct(cls, policies: tuple[PolicySection, ...]) -> tuple[PolicySection, ...]:
        if found := [((*at, "name"), what) for at, what in _repeated([p.name for p in policies], "policy")]:
            raise Mistakes(found)
        return policies

    @model_validator(mode="after")
    def _apart(self) -> SourceConfig:
        found: list[tuple[Loc, str]] = []
        for n, policy in enumerate(self.policies):
            for k, root in enumerate(policy.roots):
                if _within(self.agent.state, root.path):
                    state = str(self.agent.state)
                    what = f"{str(root.path)!r} holds the agent's own state {state!r}, which changes with every delivery"
                    found.append((("policies", n, "roots", k), what))
        if found:
            raise Mistakes(found)
        return self


def _within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _repeated(names: Sequence[str], what: str) -> list[tuple[Loc, str]]:
    return [((n,), f"another {what} is called {name!r} too") for n, name in enumerate(names) if name in names[:n]]


def load_source_config(path: Path) -> SourceConfig:
    """Reads source.yaml. Errors: ConfigError with every problem."""
    return load(path, SourceConfig)


def own_source_config(path: Path) -> SourceConfig:
    """Reads source.yaml. Errors: ConfigError with every problem; where the certificate is another agent's."""
    config = load_source_config(path)
    own, wanted = own_identity(config.tls.files()), PeerIdentity(PeerRole.SOURCE, config.agent.name)
    if own != wanted:
        raise ConfigError([f"{path}: tls.cert: the certificate is for {own.uri}, the agent is {wanted.uri}"])
    return config
