"""Bytes on their way in: resumed, taken over, never mixed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from common.ids import digest_of
from common.model import Staged
from dest_agent.recovery import OLDEST_NS, recover, trim
from dest_agent.staging import MOST_PARTIALS, StagedFile, Staging, StagingKey, StaleOffset, TakenOver
from dest_agent.store import NoSpace, ObjectKey

KEY = StagingKey("lisbon-1", ObjectKey(digest_of(b"whole content"), "raw"))
NOW_NS = 10**18


def files(staging: Staging) -> list[bytes]:
    """What lies in staging."""
    return sorted(path.read_bytes() for path in staging.directory.glob("*/*"))


def left(staging: Staging, *pieces: bytes, key: StagingKey = KEY) -> StagedFile:
    """An attempt that broke off after some pieces."""
    staged = staging.begin(key)
    staged.append(pieces)
    staged.leave()
    return staged


def test_pieces_are_written_in_order_and_hashed(tmp_path: Path) -> None:
    """More of them than the kernel takes at once."""
    staged = Staging(tmp_path).begin(KEY)
    pieces = [b"%d," % n for n in range(3000)]
    staged.append(pieces[:7])
    staged.append(pieces[7:])
    staged.seal()
    assert staged.path.read_bytes() == b"".join(pieces)
    assert staged.digest() == digest_of(b"".join(pieces))


def test_a_broken_attempt_is_resumed_with_the_digest_of_all(tmp_path: Path) -> None:
    """The sender may go back behind what is staged, too."""
    staging = Staging(tmp_path)
    first = left(staging, b"whole c", b"XXX")
    assert staging.partial("lisbon-1", KEY.object.digest, ["zstd", "raw"]) is first
    assert first.hint() == Staged("raw", 10, digest_of(b"whole cXXX"))
    second = staging.begin(KEY)
    second.resume(7)
    second.append([b"ontent"])
    second.seal()
    assert files(staging) == [b"whole content"]
    assert second.digest() == digest_of(b"whole content")


def test_going_on_beyond_what_is_staged_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    """A lying offset would leave a hole of zeros."""
    staging = Staging(tmp_path)
    left(staging, b"whole")
    staged = staging.begin(KEY)
    with pytest.raises(StaleOffset):
        staged.resume(6)
    staging.release(staged)
    staged.discard()
    assert files(staging) == []
    with pytest.raises(StaleOffset):
        staging.begin(KEY).resume(1)


@pytest.mark.parametrize("resumes", [True, False])
def test_a_newer_attempt_takes_over_from_one_that_is_still_open(tmp_path: Path, resumes: bool) -> None:
    """A half-open connection may come to life again: its bytes must go nowhere."""
    staging = Staging(tmp_path)
    older = staging.begin(KEY)
    older.append([b"whole"])
    newer = staging.begin(KEY)
    if resumes:
        newer.resume(5)
    else:
        newer.append([b"whole"])
    with pytest.raises(TakenOver):
        older.append([b" XXXXXXX"])
    newer.append([b" content"])
    staging.release(older)
    older.leave()
    older.discard()
    newer.seal()
    assert files(staging) == [b"whole content"]
    assert newer.digest() == digest_of(b"whole content")


def test_an_attempt_that_was_released_is_not_taken_over(tmp_path: Path) -> None:
    """Its bytes are being proved; a newer one begins with a file of its own."""
    staging = Staging(tmp_path)
    complete = staging.begin(KEY)
    complete.append([b"whole content"])
    staging.release(complete)
    assert staging.partial("lisbon-1", KEY.object.digest, ["raw"]) is None
    newer = staging.begin(KEY)
    newer.append([b"who"])
    complete.seal()
    assert files(staging) == [b"who", b"whole content"]


def test_an_attempt_without_bytes_leaves_no_file(tmp_path: Path) -> None:
    """Nothing to resume, nothing to keep."""
    staging = Staging(tmp_path)
    staging.begin(KEY).leave()
    assert files(staging) == []


def test_start_up_takes_in_the_longest_partial_of_each_content(tmp_path: Path) -> None:
    """And removes what is no partial."""
    before = Staging(tmp_path)
    left(before, b"who")
    before.release(before.begin(KEY))
    left(before, b"whole c")
    left(before, b"zstd", key=StagingKey("porto-1", KEY.object))
    (tmp_path / "lisbon-1" / "scratch").write_bytes(b"?")
    (tmp_path / "porto-1" / f"{ObjectKey(digest_of(b'never written'), 'raw')}.9").touch()  # killed between opening and writing
    after = Staging(tmp_path)
    recover(after, now_ns=0)
    partial = after.partial("lisbon-1", KEY.object.digest, ["raw"])
    assert partial is not None
    assert partial.n_bytes == 7
    assert files(after) == [b"whole c", b"zstd"]
    assert after.partial("faro-1", KEY.object.digest, ["raw"]) is None
    resumed = after.begin(KEY)
    resumed.resume(7)
    resumed.append([b"ontent"])
    assert resumed.digest() == digest_of(b"whole content")


def test_a_partial_that_nobody_comes_back_for_is_given_up(tmp_path: Path) -> None:
    """One that is written to is not, however old its file looks."""
    staging = Staging(tmp_path)
    old = left(staging, b"old")
    young = left(staging, b"young", key=StagingKey("porto-1", KEY.object))
    open_one = staging.begin(StagingKey("faro-1", KEY.object))
    open_one.append([b"open"])
    os.utime(old.path, ns=(0, 0))
    os.utime(young.path, ns=(0, NOW_NS))
    os.utime(open_one.path, ns=(0, 0))
    assert trim(staging, now_ns=NOW_NS + OLDEST_NS) == 1
    assert files(staging) == [b"open", b"young"]


def test_an_attempt_that_another_one_made_needless_is_given_out_once(tmp_path: Path) -> None:
    """Only where no stream writes to it, and only of this source."""
    staging = Staging(tmp_path)
    idle = left(staging, b"who")
    left(staging, b"who", key=StagingKey("porto-1", KEY.object))
    digest = KEY.object.digest
    assert staging.settled("lisbon-1", digest, ["zstd", "raw"]) == [idle]
    assert staging.settled("lisbon-1", digest, ["zstd", "raw"]) == []
    staging.begin(StagingKey("faro-1", KEY.object)).append([b"open"])
    assert staging.settled("faro-1", digest, ["raw"]) == []
    assert staging.partial("porto-1", digest, ["raw"]) is not None


def test_a_full_disk_says_so_and_counts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short write is asked again; what failed is not part of the digest."""
    staged = Staging(tmp_path).begin(KEY)
    staged.append([b"whole "])
    fired = []

    def short(fd: int, pieces: list[bytes], at: int) -> int:
        return os.pwrite(fd, pieces[0][:2], at)

    def full(_fd: int, _bytes: bytes, _at: int) -> int:
        fired.append(True)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as planted:
        planted.setattr(os, "pwritev", short)
        staged.append([b"con"])
        planted.setattr(os, "pwrite", full)
        planted.setattr(os, "pwritev", lambda _fd, pieces, _at: len(pieces[0]) - 1)
        with pytest.raises(NoSpace):
            staged.append([b"XXXX"])
    assert fired
    staged.append([b"tent"])
    staged.seal()
    assert staged.path.read_bytes() == b"whole content"
    assert staged.digest() == digest_of(b"whole content")


def test_only_so_many_partials_of_one_source_are_kept(tmp_path: Path) -> None:
    """The oldest go; another source's do not count."""
    staging = Staging(tmp_path)
    mine = [StagingKey("lisbon-1", ObjectKey(digest_of(b"%d" % n), "raw")) for n in range(MOST_PARTIALS + 3)]
    other = left(staging, b"x", key=StagingKey("porto-1", mine[0].object))
    partials = [left(staging, b"x", key=key) for key in mine]
    surplus = staging.surplus("lisbon-1")
    assert surplus == partials[:3]
    assert staging.surplus("lisbon-1") == staging.surplus("porto-1") == []
    for partial in surplus:
        partial.discard()
    assert staging.idle() == [other, *partials[3:]]
    assert len(files(staging)) == MOST_PARTIALS + 1
