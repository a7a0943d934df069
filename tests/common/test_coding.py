"""The codings: the contract of all, and what is each one's own."""

from __future__ import annotations

import io
import random
import struct
from functools import partial

import numpy as np
import pytest
from backports.zstd import CompressionParameter, ZstdCompressor
from backports.zstd import compress as zstd_compress
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from common.coding import CODINGS, WORTH_CODING_BYTES, Effort, candidates, lepton
from common.coding.streams import PIECE_BYTES, most_coded_bytes
from common.coding.zstd import PROBE_BYTES, WINDOW_LOG_MAX
from common.errors import ContentError
from tests.contracts.coding_contract import (
    DECODE_REASONS,
    CodingContract,
    CountingSink,
    comes_back_or_is_refused,
    decoded,
    encoded,
    flat,
    outcome,
)
from tests.fakes import pictures

RAW, ZSTD, LEPTON = CODINGS["raw"], CODINGS["zstd"], CODINGS["lepton"]


class TestRaw(CodingContract):
    """The contract for `raw`."""

    name = "raw"

    def suited(self) -> list[bytes]:
        """Anything that is not empty."""
        return [flat(1, 5000), random.Random(1).randbytes(PIECE_BYTES + 1)]


class TestZstd(CodingContract):
    """The contract for `zstd`."""

    name = "zstd"

    def suited(self) -> list[bytes]:
        """Whatever compresses."""
        return [flat(1, 5000), flat(2, 3 * PIECE_BYTES + 5), bytes(2_000_000)]


def usual_jpegs() -> list[bytes]:
    """JPEGs of every usual kind."""
    size = (160, 120)
    return [
        pictures.jpeg(1, size),
        pictures.jpeg(2, size, progressive=True),
        pictures.jpeg(3, size, grey=True),
        pictures.jpeg(4, size, subsampling="4:4:4", quality=95),
        pictures.jpeg(5, size, exif=pictures.exif_block()),
        pictures.with_trailer(pictures.jpeg(6, size), b"a short film" * 40),
    ]


class TestLepton(CodingContract):
    """The contract for `lepton`."""

    name = "lepton"
    _every_byte_counts = False

    def suited(self) -> list[bytes]:
        """What it was made for."""
        return usual_jpegs()


class TestJpeg(CodingContract):
    """The contract for `jpeg`."""

    name = "jpeg"
    _every_byte_counts = False

    def suited(self) -> list[bytes]:
        """As Lepton, and pictures of four colours."""
        return [*usual_jpegs(), pictures.cmyk_jpeg(7)]


class TestRaster(CodingContract):
    """The contract for `raster`."""

    name = "raster"

    def suited(self) -> list[bytes]:
        """Photos and a drawing in every format, of 8 and of 16 bits."""
        photo = pictures.photo(1, (160, 120))
        deep = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257 - 3)
        drawing = photo.quantize(8)
        return [
            *(saved(photo, kind) for kind in ("PNG", "BMP", "TIFF")),
            *(saved(photo, "TIFF", compression=packing) for packing in ("tiff_lzw", "tiff_adobe_deflate")),
            saved(photo.convert("RGBA"), "PNG"),
            saved(deep, "PNG"),
            saved(drawing.convert("RGB"), "BMP"),
            saved(photo, "PNG") + b"behind it",
        ]


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    """By Pillow."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", CODINGS)
@given(content=st.binary(max_size=4096))
def test_small_contents_of_any_kind_come_back_or_are_refused(name: str, content: bytes) -> None:
    """The contract's round trip for what hypothesis thinks of."""
    assert comes_back_or_is_refused(CODINGS[name], content)


@pytest.mark.parametrize("name", CODINGS)
@given(
    tail=st.binary(max_size=2048), size=st.integers(0, 4096), head=st.sampled_from((b"", b"\x28\xb5\x2f\xfd", b"\xcf\x84\x01Z"))
)
def test_decoding_any_bytes_gives_the_stated_size_or_is_refused(name: str, head: bytes, tail: bytes, size: int) -> None:
    """What a hostile peer may upload, with the magic of a coding or without."""
    got = outcome(lambda: decoded(CODINGS[name], head + tail, size=size))
    assert got in DECODE_REASONS if isinstance(got, str) else len(got) == size


def test_the_names_on_disks_stay() -> None:
    """A name that disappears makes every object under it unreadable."""
    assert tuple(CODINGS) == ("raw", "zstd", "lepton", "jpeg", "raster")


@pytest.mark.parametrize(
    ("head", "best", "prompt", "least"),
    [
        (b"\xff\xd8\xff\xe1", ("jpeg", "lepton"), ("lepton",), ("lepton",)),
        (b"\x89PNG\r\n\x1a\n", ("raster",), ("raster",), ()),
        (b"BM", ("raster",), ("raster",), ("raster",)),
        (b"II*\0", ("raster",), ("raster",), ("raster",)),
        (b"MM\0*", ("raster",), ("raster",), ("raster",)),
        (b"%PDF-1.4", (), (), ()),
    ],
)
def test_a_content_is_tried_with_what_suits_it_and_raw_is_always_last(
    head: bytes, best: tuple[str, ...], prompt: tuple[str, ...], least: tuple[str, ...]
) -> None:
    """The choice by content and effort, with no reading but the head."""
    assert candidates(head, 100_000) == (*best, "zstd", "raw")
    assert candidates(head, 100_000, Effort.PROMPT) == (*prompt, "zstd", "raw")
    assert candidates(head, 100_000, Effort.LEAST) == (*least, "zstd", "raw")
    assert candidates(head, 1 << 40) == ("zstd", "raw")
    assert candidates(head, WORTH_CODING_BYTES - 1) == ("raw",)


def test_a_saving_below_one_and_a_half_percent_does_not_count_in_larger_contents() -> None:
    """It would cost a decoding at every proof and restore."""
    assert most_coded_bytes(65536) == 65535
    assert most_coded_bytes(65537) == int(65537 * 0.985)
    assert most_coded_bytes(0) == -1


# zstd


class ReadCounter(io.BytesIO):
    """A source that counts the bytes read from it."""

    n_read = 0

    def read(self, n: int | None = -1, /) -> bytes:
        """Counts."""
        piece = super().read(n)
        self.n_read += len(piece)
        return piece


def test_an_incompressible_content_costs_a_few_samples() -> None:
    """A film of many GB is not compressed only to be thrown away."""
    source = ReadCounter(random.Random(5).randbytes(20_000_000))
    with pytest.raises(ContentError) as refusal:
        ZSTD.encode(source, CountingSink())
    assert refusal.value.reason == "not_smaller"
    assert source.n_read <= 4 * PROBE_BYTES


def test_a_content_that_compresses_only_in_its_middle_is_still_compressed() -> None:
    """The samples are not taken from the head alone."""
    noise = random.Random(6).randbytes(2_000_000)
    assert len(encoded(ZSTD, noise + bytes(1_000_000) + noise)) < 4_100_000


def test_a_zstd_bomb_is_given_up_after_its_stated_size() -> None:
    """A gigabyte of zeros in a frame of 33 KB."""
    compressor = ZstdCompressor(level=1)
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(1024)) + compressor.flush()
    assert len(bomb) < 100_000
    sink = CountingSink()
    with pytest.raises(ContentError) as refusal:
        ZSTD.decode(io.BytesIO(bomb), sink, size=1_000_000)
    assert refusal.value.reason == "too_long"
    assert sink.n_bytes <= 1_000_000
    assert sink.largest <= PIECE_BYTES


def test_a_zstd_frame_that_wants_a_huge_window_is_refused() -> None:
    """The window is memory that a peer would make us allocate."""
    compressor = ZstdCompressor(
        options={CompressionParameter.compression_level: 1, CompressionParameter.window_log: WINDOW_LOG_MAX + 1}
    )
    frame = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(4)) + compressor.flush()
    with pytest.raises(ContentError) as refusal:
        decoded(ZSTD, frame, size=4 << 20)
    assert refusal.value.reason in {"damaged", "memory"}


def test_every_damaged_zstd_frame_is_noticed_without_the_digest() -> None:
    """The frame's own checksum is on, so the catalogue's scrub can tell damage from a wrong note."""
    content = flat(3, 20_000)
    coded = encoded(ZSTD, content)
    for at in range(0, len(coded), 7):
        damaged = coded[:at] + bytes([coded[at] ^ 0x40]) + coded[at + 1 :]
        # Some bits of the header say nothing: then the content comes out whole.
        assert outcome(partial(decoded, ZSTD, damaged, size=len(content))) in {content, *DECODE_REASONS}


def test_a_second_zstd_frame_and_a_skippable_one_are_refused() -> None:
    """One content has one frame; anything else is bytes that nobody proved."""
    frame = zstd_compress(b"one content" * 20)
    skippable = struct.pack("<II", 0x184D2A50, 4) + b"note"
    for coded in (frame + frame, frame + skippable, skippable + frame):
        with pytest.raises(ContentError) as refusal:
            decoded(ZSTD, coded, size=220)
        assert refusal.value.reason in {"damaged", "too_long"}


def test_a_source_that_shrinks_while_it_is_encoded_is_refused() -> None:
    """The frame says how many bytes it holds; fewer must not pass."""

    class Shrinking(io.BytesIO):
        def read(self, n: int | None = -1, /) -> bytes:
            return b"" if self.tell() >= PIECE_BYTES else super().read(n)

    with pytest.raises(ContentError) as refusal:
        ZSTD.encode(Shrinking(bytes(2 * PIECE_BYTES)), CountingSink())
    assert refusal.value.reason == "changed"


# lepton


def test_lepton_makes_a_photo_a_fifth_smaller() -> None:
    """What it is there for."""
    content = pictures.jpeg(11, (640, 480))
    assert len(encoded(LEPTON, content)) < 0.82 * len(content)


@pytest.mark.parametrize(
    "content",
    [
        pictures.cmyk_jpeg(1, (64, 48)),
        pictures.arithmetic(pictures.jpeg(1, (64, 48))),
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0" + bytes(1000),
        pictures.cut(pictures.jpeg(1, (64, 48)), keep=0.2),
        pictures.png(1, (64, 48)),
    ],
    ids=["cmyk", "arithmetic", "magic", "zeros", "cut", "png"],
)
def test_what_lepton_does_not_take_is_refused_as_unsupported(content: bytes) -> None:
    """The reason is a counter's label; the library's word for it is in the message."""
    with pytest.raises(ContentError, match=r"^lepton: ") as refusal:
        encoded(LEPTON, content)
    assert refusal.value.reason == "unsupported"
    assert "\n" not in str(refusal.value)


def test_a_jpeg_over_the_limit_is_refused_unread() -> None:
    """It would have to be in memory as a whole."""
    source = ReadCounter(b"\xff\xd8\xff" + bytes(lepton.LIMIT_BYTES))
    with pytest.raises(ContentError) as refusal:
        LEPTON.encode(source, CountingSink())
    assert (refusal.value.reason, source.n_read) == ("unsupported", 0)


def test_a_coded_form_that_promises_another_size_is_refused_before_it_is_decoded() -> None:
    """Its header says how large the JPEG is; a lie there costs nothing."""
    content = pictures.jpeg(1, (64, 48))
    coded = bytearray(encoded(LEPTON, content))
    coded[20:24] = (1 << 31).to_bytes(4, "little")
    with pytest.raises(ContentError) as refusal:
        decoded(LEPTON, bytes(coded), size=len(content))
    assert refusal.value.reason == "too_long"


@pytest.mark.parametrize("seed", range(40))
def test_damaged_jpegs_come_back_exactly_or_are_refused_or_fail_their_proof(seed: int) -> None:
    """Lepton may code a damaged JPEG to something that decodes to other bytes: that is why nothing counts before a proof."""
    content = pictures.flipped(pictures.jpeg(seed % 4, (96, 64), progressive=bool(seed % 2)), seed, n_bytes=1 + seed % 5)
    coded = outcome(lambda: encoded(LEPTON, content))
    if isinstance(coded, str):
        assert coded in {"unsupported", "not_smaller", "crashed"}
    else:
        got = outcome(lambda: decoded(LEPTON, coded, size=len(content)))
        assert got in DECODE_REASONS | {"crashed"} if isinstance(got, str) else len(got) == len(content)


def test_a_very_wide_picture_is_taken() -> None:
    """Panoramas are wider than the library's own default allows, in both directions."""
    content = pictures.jpeg(9, (20_000, 16))
    assert decoded(LEPTON, encoded(LEPTON, content), size=len(content)) == content
