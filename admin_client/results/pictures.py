"""Groups of near-duplicates."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12


class Place(TypedDict):
    """A path with the root that it is below."""

    policy: str
    root: str
    path: str
    path_base64: NotRequired[str]


class PictureBase(TypedDict):
    """What a picture hangs on; numbers where features were compared."""

    digest: str
    path: Place | None
    ncc: NotRequired[float]
    mirrored: NotRequired[bool]
    transform: NotRequired[list[float]]
    transform_from_base: NotRequired[bool]


class HeldMatch(TypedDict):
    """A picture that the destination holds and found like one."""

    digest: str
    bytes: int
    sd: float
    inliers: int


class MemberDelta(TypedDict):
    """How the bytes of a member travel, or travelled, over its base."""

    state: str
    method: str
    bytes: int
    announced: bool


class Picture(TypedDict):
    """A content of a group."""

    digest: str
    group: int
    relation: Literal["near", "scene"] | None
    role: str
    state: str
    bytes: int
    pixels: int
    features: int
    paths: list[Place]
    n_paths: int
    last_path: Place | None
    sd: float | None
    inliers: int | None
    base: PictureBase | None
    matches: list[HeldMatch]
    delta: MemberDelta | None


class Group(TypedDict):
    """`smarter groups show|pin|split|confirm`."""

    group: int
    pictures: int
    bytes: int
    pinned: bool
    confirmed: bool
    review_until: str | None
    review_left_s: float | None
    representative: Picture | None
    members: list[Picture]
    scenes: list[Picture]


class GroupsReport(TypedDict):
    """`smarter groups list`, the largest first."""

    groups: list[Group]
