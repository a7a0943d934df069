"""What verbs print that need no agent."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from admin_client.results.held import RestoreJson


class PkiReport(TypedDict):
    """`smarter pki init`."""

    directory: str
    ca_made: bool
    names: list[str]


class EncodeReport(TypedDict):
    """`smarter delta encode` and `smarter code encode`."""

    method: str
    target_bytes: int
    delta_bytes: int
    seconds: float
    peak_rss_bytes: int


class DecodeReport(TypedDict):
    """`smarter delta decode` and `smarter code decode`."""

    target_bytes: int
    seconds: float
    peak_rss_bytes: int


class IdentifiedMember(TypedDict):
    """A picture that is like another."""

    path: str
    relation: Literal["exact", "near", "scene"]
    sd: float | None
    base: str


class IdentifiedGroup(TypedDict):
    """Pictures that are like one."""

    representative: str
    members: list[IdentifiedMember]


class IdentifyJson(TypedDict):
    """`smarter identify`."""

    files: int
    images: int
    exact_groups: int
    settled_early: int
    features_needed: int
    seconds: float
    unreadable: list[str]
    groups: list[IdentifiedGroup]


class DemoJson(TypedDict):
    """`smarter demo`."""

    files: int
    logical_bytes: int
    wire_bytes: dict[str, int]
    seconds: float
    restored_equal: bool
    differences: list[str]
    refused: list[Any]
    restore: RestoreJson
