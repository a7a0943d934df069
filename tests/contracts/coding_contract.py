"""What every whole-content coding keeps to, whatever bytes it meets. Inherit and name the coding and some contents it suits."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from functools import partial

import pytest

from common.coding import CODINGS, Coding
from common.coding.streams import PIECE_BYTES, most_coded_bytes
from common.errors import ContentError

ENCODE_REASONS = {"unsupported", "not_smaller"}
DECODE_REASONS = {"damaged", "too_long", "memory"}
SIZES = (0, 1, 2, 63, 64, 65535, 65536, 65537, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3_000_001)


class CountingSink:
    """A target that remembers how much it was given and the largest piece."""

    def __init__(self) -> None:
        """Starts empty."""
        self.n_bytes = 0
        self.largest = 0

    def write(self, content: bytes, /) -> None:
        """Counts."""
        self.n_bytes += len(content)
        self.largest = max(self.largest, len(content))


def encoded(coding: Coding, content: bytes) -> bytes:
    """The coded form of bytes in memory."""
    target = io.BytesIO()
    coding.encode(io.BytesIO(content), target)
    return target.getvalue()


def decoded(coding: Coding, coded: bytes, *, size: int) -> bytes:
    """The content of a coded form in memory."""
    target = io.BytesIO()
    coding.decode(io.BytesIO(coded), target, size=size)
    return target.getvalue()


def outcome(call: Callable[[], bytes]) -> bytes | str:
    """What a coding gives, or the reason of its refusal."""
    try:
        return call()
    except ContentError as refusal:
        return refusal.reason


def comes_back_or_is_refused(coding: Coding, content: bytes) -> bool:
    """Whether a content either survives its coding bit for bit or is refused with one of the known reasons."""
    coded = outcome(lambda: encoded(coding, content))
    return coded in ENCODE_REASONS if isinstance(coded, str) else decoded(coding, coded, size=len(content)) == content


def flat(seed: int, size: int) -> bytes:
    """Bytes that compress well: words of a small vocabulary."""
    rng = random.Random(seed)
    words = [rng.randbytes(rng.randrange(2, 9)) for _ in range(64)]
    return b"".join(rng.choices(words, k=size // 2 + 1))[:size]


class CodingContract:
    """Inherit as `TestX`, set `name`, and give `suited`."""

    name: str

    @property
    def coding(self) -> Coding:
        """The coding under test, as everyone finds it."""
        return CODINGS[self.name]

    def suited(self) -> list[bytes]:
        """Contents that the coding must not refuse."""
        raise NotImplementedError

    def test_its_name_is_the_one_it_is_found_by(self) -> None:
        """The name is on disks for ever; the table and the object must agree on it."""
        assert self.coding.name == self.name

    def test_suited_contents_come_back_bit_for_bit(self) -> None:
        """The point of a backup."""
        for content in self.suited():
            assert decoded(self.coding, encoded(self.coding, content), size=len(content)) == content

    def test_the_coded_form_does_not_depend_on_the_run(self) -> None:
        """A resumed upload continues what an earlier run encoded."""
        for content in self.suited():
            assert encoded(self.coding, content) == encoded(self.coding, content)

    def test_encoding_starts_at_the_first_byte_wherever_the_source_stands(self) -> None:
        """A caller who looked at the head of the file need not rewind it."""
        content = self.suited()[0]
        source, target = io.BytesIO(content), io.BytesIO()
        source.seek(7)
        self.coding.encode(source, target)
        assert decoded(self.coding, target.getvalue(), size=len(content)) == content

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("make", [flat, lambda seed, size: random.Random(seed).randbytes(size)], ids=["flat", "random"])
    def test_any_content_comes_back_or_is_refused_with_a_known_reason(self, make: Callable[[int, int], bytes], size: int) -> None:
        """Sizes around every boundary of the streams."""
        assert comes_back_or_is_refused(self.coding, make(size, size))

    def test_a_coded_form_that_is_kept_is_smaller_than_its_content(self) -> None:
        """Otherwise it would cost a decoding for nothing; raw is the one that may keep the size."""
        for content in self.suited():
            n_bytes = len(encoded(self.coding, content))
            assert n_bytes <= most_coded_bytes(len(content)) or (self.name == "raw" and n_bytes == len(content))

    def test_a_cut_coded_form_is_refused(self) -> None:
        """Whatever is missing: the last byte, half, everything."""
        for content in self.suited():
            coded = encoded(self.coding, content)
            for keep in (len(coded) - 1, len(coded) // 2, 1, 0):
                if keep < len(coded):
                    with pytest.raises(ContentError) as refusal:
                        decoded(self.coding, coded[:keep], size=len(content))
                    assert refusal.value.reason in DECODE_REASONS

    def test_bytes_after_the_coded_form_are_refused(self) -> None:
        """Two objects must not stand for one content only because of bytes nobody looks at."""
        content = self.suited()[0]
        for more in (b"\0", encoded(self.coding, content)):
            with pytest.raises(ContentError) as refusal:
                decoded(self.coding, encoded(self.coding, content) + more, size=len(content))
            assert refusal.value.reason in DECODE_REASONS

    def test_damage_never_passes_for_the_content(self) -> None:
        """A flipped byte is refused or gives other bytes, which the digest then tells; it never crashes the process."""
        rng = random.Random(self.name)
        content = self.suited()[0]
        coded = encoded(self.coding, content)
        for _ in range(60):
            damaged = bytearray(coded)
            damaged[rng.randrange(len(coded))] ^= rng.randrange(1, 256)
            got = outcome(partial(decoded, self.coding, bytes(damaged), size=len(content)))
            assert got in DECODE_REASONS if isinstance(got, str) else got != content or not self._every_byte_counts

    def test_decoding_stops_at_the_size_it_was_told(self) -> None:
        """A bomb costs one piece more than its stated size, not what it unpacks to."""
        for content in self.suited():
            coded = encoded(self.coding, content)
            for size in (len(content) - 1, len(content) // 2, 0):
                sink = CountingSink()
                with pytest.raises(ContentError) as refusal:
                    self.coding.decode(io.BytesIO(coded), sink, size=size)
                assert refusal.value.reason == "too_long"
                assert sink.n_bytes <= size

    def test_a_content_shorter_than_its_stated_size_is_refused(self) -> None:
        """The size is part of what a version says of its content."""
        content = self.suited()[0]
        with pytest.raises(ContentError) as refusal:
            decoded(self.coding, encoded(self.coding, content), size=len(content) + 1)
        assert refusal.value.reason == "damaged"

    def test_the_coded_form_of_another_coding_never_passes(self) -> None:
        """An object whose coding was noted wrong is refused, not restored as something."""
        for other in CODINGS.values():
            if other.name != self.name:
                for content in self.suited():
                    self._foreign_is_refused(other, content)

    _every_byte_counts = True
    """False where some bytes of the coded form are notes that decoding does not read."""

    def _foreign_is_refused(self, other: Coding, content: bytes) -> None:
        foreign = outcome(lambda: encoded(other, content))
        if isinstance(foreign, bytes) and foreign != encoded(self.coding, content):
            assert outcome(lambda: decoded(self.coding, foreign, size=len(content))) in DECODE_REASONS
