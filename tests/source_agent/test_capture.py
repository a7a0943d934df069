"""Attributes as they are on disk, the strangest that a file system holds among them."""

from __future__ import annotations

import os
import pwd
import struct
from pathlib import Path
from typing import cast

import pytest

from common.wire.versions import attributes_from_bytes, attributes_to_bytes
from source_agent import capture
from source_agent.capture import attributes, signature

YEAR_2446_NS = 15_032_385_535 * 10**9
"""The end of time on ext4, beyond what 64 bits of nanoseconds hold."""


def _stat(path: Path, *, mtime_ns: int) -> os.stat_result:
    """A file's stat result with another mtime: not every file system can hold every one."""
    _, (fields, named) = cast("tuple[object, tuple[tuple[int, ...], dict[str, object]]]", os.stat(path).__reduce__())
    return os.stat_result(fields, named | {"st_mtime_ns": mtime_ns, "st_ctime_ns": mtime_ns})


@pytest.mark.parametrize("mtime_ns", [YEAR_2446_NS, -YEAR_2446_NS, (1 << 63) - 1, -(1 << 63), 1 << 90])
def test_a_time_outside_of_what_a_message_holds_becomes_the_nearest_inside(tmp_path: Path, mtime_ns: int) -> None:
    """A clock that ran away costs the file its exact time, never its backup."""
    (tmp_path / "x").write_bytes(b"x")
    st = _stat(tmp_path / "x", mtime_ns=mtime_ns)
    assert st.st_mtime_ns == mtime_ns
    sent = attributes_from_bytes(attributes_to_bytes(attributes(st)))
    assert sent.mtime_ns == max(-(1 << 63) + 1, min((1 << 63) - 1, mtime_ns))
    assert signature(st) != signature(_stat(tmp_path / "x", mtime_ns=mtime_ns - 1))


def test_the_signature_of_an_ordinary_time_is_what_it_always_was(tmp_path: Path) -> None:
    """Journals keep signatures: a change of their form would have every file read again. Before 1970 too."""
    (tmp_path / "x").write_bytes(b"x")
    st = _stat(tmp_path / "x", mtime_ns=-7)
    fields = (8, 1, -7, -7, st.st_ino, st.st_uid, st.st_gid, 0)
    assert signature(st) == struct.pack("<HqqqQIIQ", *fields) + struct.pack("<H", st.st_mode & 0o7777)


@pytest.mark.parametrize("name", ["caf\udce9", "x" * 300, "a\nb", "nul\0"])
def test_an_owner_whose_name_no_message_carries_goes_by_number(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names come from a directory service, which need not know our limits."""
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd((name, "x", uid, uid, "", "/", "/bin/sh")))
    capture._user.cache_clear()
    (tmp_path / "x").write_bytes(b"x")
    try:
        seen = attributes(os.stat(tmp_path / "x"))
    finally:
        capture._user.cache_clear()
    assert (seen.user, seen.uid) == ("", os.getuid())
    assert attributes_from_bytes(attributes_to_bytes(seen)) == seen
