"""What the agents answer, as plain values ready for JSON: times as RFC 3339, paths as text."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.message import Message

from admin_client.moments import rfc3339
from common.paths import show
from common.pb import admin_pb2


def plain(message: Message) -> dict[str, Any]:
    """A message as plain values: every field, `*_ns` as RFC 3339, paths as text."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.name.endswith("_ns"):
            found[field.name.removesuffix("_ns")] = rfc3339(value) if value else None
        elif isinstance(value, Mapping):
            found[field.name] = dict(sorted(value.items()))
        elif field.is_repeated:
            found[field.name] = [plain(item) if isinstance(item, Message) else item for item in value]
        elif isinstance(value, bytes):
            found[field.name] = show(value)
        else:
            found[field.name] = plain(value) if isinstance(value, Message) else value
    return found


def group_values(group: admin_pb2.Group, told: Iterable[admin_pb2.Picture]) -> dict[str, Any]:
    """A group as plain values: what is documented in `smarter groups show --help`."""
    pictures = [_picture(picture, number=group.number) for picture in told]
    inside = [picture for picture in pictures if picture["group"] == group.number]
    return {
        "group": group.number,
        "pictures": group.pictures,
        "bytes": group.bytes,
        "pinned": group.pinned,
        "confirmed": group.confirmed,
        "review_until": rfc3339(group.review_until_ns) if group.review_until_ns else None,
        "review_left_s": group.review_left_s if group.review_until_ns else None,
        "representative": next((picture for picture in inside if picture["relation"] is None), None),
        "members": [picture for picture in inside if picture["relation"] is not None],
        "scenes": [picture for picture in pictures if picture["group"] != group.number],
    }


def _picture(picture: admin_pb2.Picture, *, number: int) -> dict[str, Any]:
    is_inside = picture.number == number
    stands = picture.is_representative and is_inside
    # One that grouping would have stand for the group may hang on another group's scene: here it is a member.
    base = picture.base if picture.HasField("base") and not (is_inside and picture.relation == "scene") else None
    compared = base.comparison if base is not None and base.HasField("comparison") else None
    return {
        "digest": picture.digest.hex(),
        "group": picture.number,
        "relation": None if stands else "near" if is_inside else "scene",
        "role": picture.role,
        "state": picture.state,
        "bytes": picture.bytes,
        "pixels": picture.pixels,
        "features": picture.features,
        "paths": [_path(path) for path in picture.paths],
        "n_paths": picture.n_paths,
        "last_path": _path(picture.last_path) if picture.HasField("last_path") else None,
        "sd": compared.sd if compared else None,
        "inliers": compared.inliers if compared else None,
        "base": None if base is None else _base(base),
        "matches": [
            {"digest": match.digest.hex(), "bytes": match.bytes, "sd": match.sd, "inliers": match.inliers}
            for match in picture.matches
        ],
        "delta": plain(picture.delta) if picture.HasField("delta") else None,
    }


def _base(base: admin_pb2.PictureBase) -> dict[str, Any]:
    found: dict[str, Any] = {"digest": base.digest.hex(), "path": _path(base.path) if base.HasField("path") else None}
    if base.HasField("comparison"):
        seen = base.comparison
        found |= {"ncc": seen.ncc, "mirrored": seen.mirrored}
        found |= {"transform": list(seen.transform), "transform_from_base": seen.from_base}
    return found


def _path(path: admin_pb2.PicturePath) -> dict[str, Any]:
    """A path as plain values; one that is not UTF-8 also as what it is."""
    found = {"policy": path.policy, "root": path.root, "path": show(path.path)}
    if path.path != found["path"].encode():
        found["path_base64"] = base64.b64encode(path.path).decode()
    return found
