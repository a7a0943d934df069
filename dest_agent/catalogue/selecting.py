"""Which versions a selection means, apart from where they are kept. Pure."""

from __future__ import annotations

from collections.abc import Callable

from pathspec import PathSpec

from common.paths import RelPath

Match = Callable[[RelPath, bool], bool]


def matching(glob: str) -> Match:
    """Whether a path, and whether it is a directory, fits a glob; the empty glob fits all.

    The language is that of gitignore, as in a source's excludes: `*.jpg` at any depth, `/2024` or `2024/a*` from the root,
    `**` across folders, a trailing slash for directories alone; what lies below a directory that fits, fits too.
    Names that are not UTF-8 are decoded with surrogate escapes. Errors: ValueError where the glob is none.
    """
    if not glob:
        return lambda _path, _is_directory: True
    spec = PathSpec.from_lines("gitignore", [glob])
    if not any(pattern.include for pattern in spec.patterns):
        raise ValueError(f"{glob!r} is not a glob that selects anything")

    def match(path: RelPath, is_directory: bool) -> bool:  # noqa: FBT001 - the two arguments of a predicate
        text = path.decode("utf-8", "surrogateescape")
        return bool(text) and spec.match_file(text + "/" if is_directory else text)

    return match
