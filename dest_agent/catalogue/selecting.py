"""Which versions a selection means, apart from where they are kept. Pure.

A glob comes from a peer and is tried on names that another peer chose, so no pair of them may take long: parts are matched
one by one, and inside a part each `*` takes as little as it can and never thinks again, which loses no match, because
only what follows the last `*` is bound to an end. The time grows with the length of the name times that of the glob.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from common.paths import RelPath

Match = Callable[[RelPath, bool], bool]

_ACROSS = None
"""The part `**`: any number of folders."""


def matching(glob: str) -> Match:
    """Whether a path, and whether it is a directory, fits a glob; the empty glob fits all.

    The language is that of gitignore, as in a source's excludes: `*.jpg` at any depth, `/2024` or `2024/a*` from the root,
    `**` across folders, a trailing slash for directories alone; what lies below a directory that fits, fits too.
    Names that are not UTF-8 are decoded with surrogate escapes. Errors: ValueError where the glob is none.
    """
    if not glob:
        return lambda _path, _is_directory: True
    parts, is_for_directories = _parts(glob)

    def match(path: RelPath, is_directory: bool) -> bool:  # noqa: FBT001 - the two arguments of a predicate
        if not path:
            return False
        names = path.decode("utf-8", "surrogateescape").split("/")
        reached = _skipping({0}, parts)
        for depth, name in enumerate(names, start=1):
            reached = _skipping({after for at in reached for after in _steps(parts, at, name)}, parts)
            if len(parts) in reached and (depth < len(names) or is_directory or not is_for_directories):
                return True
        return False

    return match


def _parts(glob: str) -> tuple[list[re.Pattern[str] | None], bool]:
    """The parts of a glob as patterns, `**` as None, and whether it is for directories alone. Errors: ValueError."""
    text = glob if glob.endswith("\\ ") else glob.rstrip(" ")
    names = [name for name in text.split("/") if name]
    if not names or text[0] in "!#":
        raise ValueError(f"{glob!r} is not a glob that selects anything")
    if "/" not in text.rstrip("/"):
        names.insert(0, "**")
    is_for_directories = text.endswith("/")
    while names[-1] == "**" and len(set(names)) > 1:
        # `x/**` is what lies below x, and x itself where it is a directory: as `/x/`.
        names.pop()
        is_for_directories = True
    if names[-1] == "**":
        names.append("*")
    once = [name for name, after in zip(names, [*names[1:], ""], strict=True) if not name == after == "**"]
    return [_ACROSS if name == "**" else _part(name) for name in once], is_for_directories


def _steps(parts: list[re.Pattern[str] | None], at: int, name: str) -> set[int]:
    """Where one more name leads from the place `at` in a glob."""
    if at == len(parts):
        return set()
    part = parts[at]
    if part is _ACROSS:
        return {at}
    return {at + 1} if part.fullmatch(name) else set()


def _skipping(places: set[int], parts: list[re.Pattern[str] | None]) -> set[int]:
    """The places, and those that are reached where a `**` stands for nothing; no two of them follow one another."""
    return places | {at + 1 for at in places if at < len(parts) and parts[at] is _ACROSS}


def _part(name: str) -> re.Pattern[str]:
    """One name with its wildcards. Errors: ValueError."""
    chunks = [""]
    at = 0
    while at < len(name):
        character = name[at]
        at += 1
        if character == "*":
            if chunks[-1] or len(chunks) == 1:
                chunks.append("")
        elif character == "?":
            chunks[-1] += "."
        elif character == "[" and (end := name.find("]", at + 2 if name[at : at + 1] in {"!", "^"} else at + 1)) > 0:
            chunks[-1] += _one_of(name[at:end])
            at = end + 1
        else:
            if character == "\\" and at < len(name):
                character = name[at]
                at += 1
            chunks[-1] += re.escape(character)
    first, *middle, last = chunks if len(chunks) > 1 else (*chunks, "")
    text = first + "".join(f"(?>.*?{chunk})" for chunk in middle) + (f".*{last}" if len(chunks) > 1 else "")
    try:
        return re.compile(text, re.DOTALL)
    except re.error as error:
        raise ValueError(f"{name!r} in a glob: {error}") from error


def _one_of(text: str) -> str:
    """A set of characters, `a-z` and `!` as in a shell."""
    is_other = text[0] in "!^"
    text = text[is_other:]
    found = ""
    at = 0
    while at < len(text):
        if text[at + 1 : at + 2] == "-" and at + 2 < len(text):
            found += f"{re.escape(text[at])}-{re.escape(text[at + 2])}"
            at += 3
        else:
            found += re.escape(text[at])
            at += 1
    return f"[{'^' if is_other else ''}{found}]"
