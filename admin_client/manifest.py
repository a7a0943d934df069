"""What `smarter restore --approximate` writes beside the directory: of every file whether it is exact, approximate or absent.

JSON lines: {"root", "path", "is": "exact" | "approximate" | "absent", "shown"}; `shown` is the path of the picture that was made
in its stead, else null. A crash leaves the manifest that was there before, or none.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from common import durable
from common.ids import VersionId
from common.model import Announcement, Kind, Version
from common.paths import RelPath, show

SUFFIX = ".manifest.jsonl"


def manifest_of(directory: Path) -> Path:
    """Where the manifest of a restored directory is: beside it, for the tree itself is as it was."""
    directory = directory.absolute()
    return directory.with_name(directory.name + SUFFIX)


def write_manifest(
    path: Path,
    versions: Iterable[Version],
    *,
    lost: Collection[VersionId],
    announced: Iterable[Announcement],
    shown: Mapping[VersionId, RelPath],
) -> Counter[str]:
    """Writes the manifest, and gives how many files are exact, approximate and absent. Errors: OSError."""
    counts = Counter(exact=0, approximate=0, absent=0)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for version in versions:
            if version.kind is Kind.FILE:
                what = "absent" if version.id in lost else "exact"
                counts[what] += 1
                file.write(_line(version, what, None))
        for one in announced:
            made = shown.get(one.version.id)
            what = "absent" if made is None else "approximate"
            counts[what] += 1
            file.write(_line(one.version, what, made))
        file.flush()
        durable.sync_file(file.fileno())
    durable.publish(temporary, path)
    return counts


def _line(version: Version, what: str, made: RelPath | None) -> str:
    told = {"root": version.root, "path": show(version.path), "is": what, "shown": None if made is None else show(made)}
    return json.dumps(told) + "\n"
