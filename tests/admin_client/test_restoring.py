"""Restoring whole trees: fidelity, layout, and what is asked for."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admin_client.client import AgentClient
from admin_client.comparison import differences
from admin_client.progress import PlainProgress
from admin_client.report import RestoreReport
from admin_client.restoring import RestoreRequest, restore
from common import paths
from common.errors import ExitCode, SmarterError
from common.ids import VersionId, digest_of
from common.model import Attributes, Kind, Selection, Version
from common.paths import RelPath
from tests.fakes.destination import FakeDestination, serving

Restore = Callable[..., RestoreReport]


def test_a_tree_comes_back_as_it_was(library: Path, destination: FakeDestination, target: Path, bring_back: Restore) -> None:
    """Bytes, modes, times, links, FIFOs and odd names, the root itself too."""
    destination.hold(library)
    report = bring_back()
    assert differences(library, target) == []
    assert report.exit_code() is ExitCode.OK
    assert (report.files, report.directories, report.symlinks, report.fifos, report.hardlinks) == (5, 4, 2, 1, 1)
    assert report.n_bytes == sum(v.size for v in destination.versions) - 300_000


def test_holes_stay_holes(library: Path, destination: FakeDestination, target: Path, bring_back: Restore) -> None:
    """A sparse file takes no more disk than before."""
    destination.hold(library)
    bring_back()
    assert (target / "sparse").stat().st_blocks <= (library / "sparse").stat().st_blocks + 16
    assert (target / "sparse").read_bytes() == (library / "sparse").read_bytes()


def test_a_second_restore_finds_everything_present(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """Nothing is written again, and nothing is refused."""
    destination.hold(library)
    bring_back()
    inodes = {path: path.lstat().st_ino for path in target.rglob("*")}
    report = bring_back()
    assert report.exit_code() is ExitCode.OK
    assert (report.files, report.hardlinks, report.symlinks) == (0, 0, 0)
    assert report.present == 9
    assert {path: path.lstat().st_ino for path in target.rglob("*")} == inodes
    assert differences(library, target) == []


def _set_or_skip(path: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip(f"this file system has no {name}")


def _acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


_NOBODY = 0xFFFFFFFF
_ACL = _acl((1, 6, _NOBODY), (2, 4, 12345), (4, 4, _NOBODY), (0x10, 6, _NOBODY), (0x20, 0, _NOBODY))


def test_extended_attributes_and_acls_come_back(
    tmp_path: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """On files and directories, the default ACL too, which must not leak into what is restored below."""
    root = tmp_path / "library"
    (root / "d").mkdir(parents=True)
    (root / "d" / "plain").write_text("no ACL of its own")
    (root / "f").write_text("x")
    _set_or_skip(root / "f", "user.rating", b"\x00five")
    _set_or_skip(root / "f", "system.posix_acl_access", _ACL)
    _set_or_skip(root / "d", "system.posix_acl_default", _ACL)
    destination.hold(root)
    target.mkdir()
    _set_or_skip(target, "system.posix_acl_default", _acl((1, 7, _NOBODY), (4, 0, _NOBODY), (0x20, 7, _NOBODY)))
    report = bring_back()
    assert differences(root, target) == []
    assert "xattr_not_set" not in report.notes


def test_a_path_longer_than_path_max_comes_back(destination: FakeDestination, target: Path, bring_back: Restore) -> None:
    """Thirty folders of long names: no single path string could reach the file."""
    parts = [b"d" * 200 + b"%d" % n for n in range(30)]
    attributes = Attributes(mode=0o755, uid=os.getuid(), gid=os.getgid(), mtime_ns=10**18)
    blank = Version(VersionId("lisbon-1", 1), "photos", "library", paths.ROOT, Kind.DIRECTORY, attributes, observed_ns=1)
    for n in range(31):
        destination.put(replace(blank, path=RelPath(b"/".join(parts[:n]))))
    deepest = RelPath(b"/".join([*parts, b"file"]))
    destination.put(replace(blank, path=deepest, kind=Kind.FILE, digest=digest_of(b"deep"), size=4), b"deep")
    assert bring_back().files == 1
    top = paths.open_root(target)
    try:
        fd = paths.open_file(top, deepest)
        assert os.read(fd, 10) == b"deep"
        os.close(fd)
    finally:
        os.close(top)
    # The temporary directory is removed by path, which is too long for it.
    while (target / os.fsdecode(parts[0])).exists():
        fd = paths.open_root(target)
        for part in parts:
            inner = os.open(part, os.O_DIRECTORY | os.O_RDONLY, dir_fd=fd)
            if part == parts[-1]:
                os.unlink(b"file", dir_fd=inner)
            os.close(fd)
            fd = inner
        os.close(fd)
        _remove_chain(target, parts)


def _remove_chain(target: Path, parts: list[bytes]) -> None:
    for depth in range(len(parts), 0, -1):
        top = paths.open_root(target)
        try:
            with paths.directory(top, RelPath(b"/".join(parts[: depth - 1]))) as fd:
                os.rmdir(parts[depth - 1], dir_fd=fd)
        finally:
            os.close(top)


def test_several_roots_get_a_folder_each(library: Path, destination: FakeDestination, target: Path, bring_back: Restore) -> None:
    """With one root its files lie directly under the target, with two under their names, whatever a glob picks."""
    destination.hold(library)
    destination.hold(library / "a", root="second")
    report = bring_back()
    assert report.exit_code() is ExitCode.OK
    assert differences(library, target / "library") == []
    assert differences(library / "a", target / "second") == []
    glimpse = target.parent / "glimpse"
    bring_back(glob="sparse", to=glimpse)
    assert [path.relative_to(glimpse).as_posix() for path in glimpse.rglob("*") if path.is_file()] == ["library/sparse"]


def test_a_glob_brings_the_folders_around_its_matches(
    library: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """They are made with their own attributes, and nothing else is."""
    destination.hold(library)
    assert bring_back(glob="*again.jpg").files == 1
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*")) == ["a", "a/b", "a/b/again.jpg"]
    for folder in ("a", "a/b"):
        assert (target / folder).stat().st_mode == (library / folder).stat().st_mode
        assert (target / folder).stat().st_mtime_ns == (library / folder).stat().st_mtime_ns


def test_two_sources_with_one_policy_need_a_choice(library: Path, destination: FakeDestination, bring_back: Restore) -> None:
    """The message names both."""
    destination.hold(library)
    destination.hold(library, source="porto-1")
    with pytest.raises(SmarterError, match="--from lisbon-1 or --from porto-1"):
        bring_back()
    assert bring_back(source="porto-1").exit_code() is ExitCode.OK


def test_an_unknown_policy_is_said_to_be_unknown(bring_back: Restore, target: Path) -> None:
    """And no empty directory is left."""
    with pytest.raises(SmarterError, match="holds nothing of policy 'photos'"):
        bring_back()
    assert not target.exists()


def test_more_contents_than_the_window_arrive_in_order(
    tmp_path: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """A thousand small files, some equal, in several folders."""
    root = tmp_path / "library"
    for n in range(1000):
        folder = root / f"d{n % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{n}").write_text(f"content {n % 300}")
    destination.hold(root)
    assert bring_back().files == 1000
    assert differences(root, target) == []
    assert len(destination.fetched) == 300


def test_a_copy_of_a_file_that_could_not_be_placed_is_fetched(
    tmp_path: Path, destination: FakeDestination, target: Path, bring_back: Restore
) -> None:
    """What stands in the first file's way is no reason to lose the second."""
    root = tmp_path / "library"
    (root / "a").mkdir(parents=True)
    (root / "a" / "first").write_bytes(b"the same")
    (root / "b").write_bytes(b"the same")
    destination.hold(root)
    (target / "a" / "first").mkdir(parents=True)
    report = bring_back()
    assert [path for path, _ in report.refused] == ["a/first"]
    assert (target / "b").read_bytes() == b"the same"


_NAMES = st.binary(min_size=1, max_size=12).filter(lambda n: b"/" not in n and b"\0" not in n and n not in {b".", b".."})
_FILES = st.dictionaries(
    st.tuples(st.sampled_from([b"", b"p", b"p/q"]), _NAMES),
    st.tuples(st.binary(max_size=9000), st.integers(0, 0o777), st.integers(-(2**40), 2**61), st.booleans()),
    max_size=6,
)


@given(files=_FILES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_any_small_tree_survives_the_round_trip(
    files: dict[tuple[bytes, bytes], tuple[bytes, int, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any names, bytes, modes and times."""
    base = tmp_path_factory.mktemp("trip")
    root = base / "library"
    (root / "p" / "q").mkdir(parents=True)
    for (folder, name), (content, mode, mtime_ns, has_hole) in files.items():
        path = os.path.join(os.fsencode(root), folder, name)
        if os.path.lexists(path):
            continue
        with open(path, "wb") as file:
            file.write(content)
            if has_hole:
                file.truncate(len(content) + 20_000)
        os.chmod(path, mode | 0o400)
        os.utime(path, ns=(0, mtime_ns))
    with serving(base / "s") as held:
        held.hold(root)
        request = RestoreRequest(Selection(policy="photos"), base / "restored")
        with AgentClient(held.endpoint) as client:
            report = restore(client, request, progress=PlainProgress())
    assert report.exit_code() is ExitCode.OK
    assert differences(root, base / "restored") == []
