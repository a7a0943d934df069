"""Which paths of a root a policy takes: include and exclude patterns in gitignore's grammar. Pure.

A pattern is matched as git would: `*.tmp` anywhere, `/cache/` only directly below the root, `**/` across directories,
`!` to take back. Excluding a directory excludes all below it. With `include` patterns, only files that match one are
taken; directories are always entered, unless excluded. Names that are not UTF-8 are matched with their odd bytes escaped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from common.paths import RelPath


class Rules:
    """The compiled patterns of one policy."""

    def __init__(self, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        """Errors: ValueError for a pattern that is none."""
        self._include = GitIgnoreSpec.from_lines(include) if include else None
        self._exclude = GitIgnoreSpec.from_lines(exclude) if exclude else None

    def takes(self, path: RelPath, *, is_directory: bool) -> bool:
        """Whether the entry itself passes; its parents are asked before it. The root always passes."""
        if not path or (self._include is None and self._exclude is None):
            return True
        text = os.fsdecode(path) + ("/" if is_directory else "")
        if self._exclude is not None and self._exclude.match_file(text):
            return False
        return self._include is None or is_directory or self._include.match_file(text)

    def takes_whole_path(self, path: RelPath, *, is_directory: bool) -> bool:
        """Whether the entry and every directory above it pass: for a path that comes from a watch event, not a walk."""
        parts = path.split(b"/")
        above = (RelPath(b"/".join(parts[:n])) for n in range(1, len(parts)))
        return all(self.takes(p, is_directory=True) for p in above) and self.takes(path, is_directory=is_directory)
