"""The ends through which a job reads and writes: what they digest, and what they leave alone."""

from __future__ import annotations

import os
import random
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ContentError
from common.ids import digest_of
from common.jobs import DigestingSource, DigestingTarget


@given(content=st.binary(max_size=500), looks=st.lists(st.tuples(st.integers(0, 500), st.integers(1, 200)), max_size=5))
def test_looking_around_first_does_not_change_the_digest(content: bytes, looks: list[tuple[int, int]]) -> None:
    """A coding may sample a content before it codes it."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        source = DigestingSource(file.fileno())
        for at, n in looks:
            source.seek(at)
            assert source.read(n) == content[at : at + n]
        source.seek(0)
        assert b"".join(iter(lambda: source.read(64), b"")) == content
        assert source.digest() == digest_of(content)
        assert source.seek(0, os.SEEK_END) == len(content)
        assert source.digest() == digest_of(content)


def test_a_digest_of_a_part_is_never_given_for_the_whole() -> None:
    """A coding that stops early has not seen the content."""
    with tempfile.TemporaryFile() as file:
        file.write(bytes(100))
        file.flush()
        source = DigestingSource(file.fileno())
        source.read(99)
        with pytest.raises(ContentError):
            source.digest()


def test_a_file_that_shrinks_while_it_is_read_is_noticed() -> None:
    """And one that grows is read to where it ended at first."""
    with tempfile.TemporaryFile() as file:
        file.write(bytes(100))
        file.flush()
        source = DigestingSource(file.fileno())
        os.ftruncate(file.fileno(), 50)
        assert len(source.read(100)) == 50
        with pytest.raises(ContentError) as refusal:
            source.read(100)
        assert refusal.value.reason == "changed"
        os.ftruncate(file.fileno(), 500)
        assert len(source.read(500)) == 50
        assert source.read(1) == b""


def test_a_file_target_ends_after_the_last_byte_written() -> None:
    """A spool file used before leaves nothing of its old content."""
    content = random.Random(1).randbytes(1000)
    with tempfile.TemporaryFile() as file:
        file.write(bytes(5000))
        file.flush()
        target = DigestingTarget(file.fileno())
        for at in range(0, 1000, 300):
            target.write(content[at : at + 300])
        assert target.finish() == digest_of(content)
        assert (target.n_bytes, os.pread(file.fileno(), 5000, 0)) == (1000, content)


def test_no_target_still_counts_and_digests() -> None:
    """A proof keeps nothing."""
    target = DigestingTarget(None)
    target.write(b"abc")
    target.write(b"def")
    assert (target.n_bytes, target.finish()) == (6, digest_of(b"abcdef"))
