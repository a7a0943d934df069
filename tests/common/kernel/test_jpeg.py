"""Taking JPEGs apart and putting them together: the very same bytes, the coefficients of the standard, or a refusal."""

from __future__ import annotations

import contextlib
import io
import random
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from common.errors import ContentError
from common.kernel import jpeg, skeleton
from common.kernel.headers import read_headers
from common.kernel.scan_reader import read_scan
from common.kernel.scan_writer import write_scan
from common.kernel.skeleton import Oddity, Traits
from tests.common.kernel.slow_jpeg import coefficients
from tests.fakes import pictures


def saved(mode: str = "RGB", size: tuple[int, int] = (53, 43), **options: object) -> bytes:
    """A JPEG as Pillow saves it."""
    file = io.BytesIO()
    pictures.photo(7, size).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def rewritten(content: bytes, *, restart: int = 0, traits: Traits | None = None) -> bytes:
    """The picture of a JPEG as an encoder of other habits would have written it: the scans get these traits, and restarts."""
    parsed = jpeg.parse(content)
    headers = read_headers(content, has_entropy=True)
    pieces, pos = [content[:2], b"\xff\xdd\x00\x04" + restart.to_bytes(2) if restart else b""], 2
    for scan in headers.scans:
        changed = replace(scan, restart=restart or scan.restart)
        own = traits or Traits(pads_with_ones=True, oddities=(), runs=None)
        pieces += (content[pos : scan.start], write_scan(changed, own, parsed.planes))
        pos = scan.end
    return b"".join((*pieces, content[pos:]))


def odd_runs(content: bytes) -> bytes:
    """A progressive JPEG in whose first band each run of blocks is broken after its first, for which its tables have a code."""
    headers = read_headers(content, has_entropy=True)
    at = next(i for i, scan in enumerate(headers.scans) if scan.first)
    parsed = jpeg.parse(content)
    traits, blob = skeleton.unpack(parsed.skeleton)
    found = read_scan(content, headers.scans[at], [np.zeros_like(plane) for plane in parsed.planes]).runs
    assert found is not None
    runs = [part for run in found for part in ((1, run - 1) if run > 1 else (run,))]
    traits[at] = replace(traits[at], runs=np.array(runs, np.uint16))
    return jpeg.emit(skeleton.pack(traits, blob), parsed.planes)


SEQUENTIAL, PROGRESSIVE = saved(), saved(progressive=True)
HALF_FILLED = Traits(pads_with_ones=False, oddities=(Oddity(1, 0b0101010, b"\xff\xd1"),), runs=None)
JPEGS = {
    "4:2:0": SEQUENTIAL,
    "4:4:4": saved(subsampling=0),
    "4:2:2": saved(subsampling=1),
    "progressive": PROGRESSIVE,
    "progressive 4:4:4, quality 98": saved(subsampling=0, quality=98, progressive=True),
    "grey": saved("L"),
    "grey, progressive": saved("L", progressive=True),
    "four colours": saved("CMYK"),
    "four colours, progressive": saved("CMYK", progressive=True),
    "RGB": saved(keep_rgb=True),
    "own tables": saved(optimize=True),
    "divisors of 16 bits": saved(qtables=[[300 + i for i in range(64)]] * 2),
    "restart in each row": saved(restart_marker_rows=1),
    "restart after each MCU": saved(restart_marker_blocks=1),
    "progressive with restarts": saved(progressive=True, restart_marker_blocks=3),
    "one pixel": saved(size=(1, 1)),
    "padded with zeros": rewritten(SEQUENTIAL, traits=Traits(pads_with_ones=False, oddities=(), runs=None)),
    "padded in many ways": rewritten(SEQUENTIAL, restart=4, traits=HALF_FILLED),
    "wrong restart marker": rewritten(SEQUENTIAL, restart=4, traits=Traits(True, (Oddity(0, 127, b"\xff\xd5"),), None)),
    "bytes before a restart": rewritten(SEQUENTIAL, restart=4, traits=Traits(True, (Oddity(2, 127, b"ab\xff\xd2"),), None)),
    "bytes before the end": rewritten(SEQUENTIAL, traits=Traits(True, (Oddity(0, 127, b"\x00\x01\xff\xd0"),), None)),
    "fill bytes": SEQUENTIAL.replace(b"\xff\xda", b"\xff\xff\xff\xda").replace(b"\xff\xdb", b"\xff\xff\xdb"),
    "trailing bytes": SEQUENTIAL + b"\xff\xda trailing \xff\xd8" + PROGRESSIVE,
    "no end": SEQUENTIAL[:-2],
    "progressive, last scan missing": PROGRESSIVE[: PROGRESSIVE.rindex(b"\xff\xc4")],
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_is_put_together_to_the_very_same_bytes(name: str) -> None:
    """The promise on which every delta of a JPEG rests."""
    parsed = jpeg.parse(JPEGS[name])
    assert jpeg.emit(parsed.skeleton, parsed.planes) == JPEGS[name]
    assert jpeg.frame_of(parsed.skeleton) == parsed.frame
    assert [plane.shape for plane in parsed.planes] == [(p.block_rows, p.block_cols, 64) for p in parsed.frame.planes]


@pytest.mark.parametrize(
    "name", [name for name in JPEGS if not name.startswith(("fill", "bytes", "no end", "progressive, last"))]
)
def test_coefficients_are_those_of_the_standard(name: str) -> None:
    """A second reader, written plainly from the standard, finds the same numbers: no error is made twice and cancels out."""
    expected = coefficients(JPEGS[name])
    found = jpeg.parse(JPEGS[name]).planes
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_the_frame_tells_size_sampling_and_divisors() -> None:
    """The other modules of the kernel know a picture by its frame alone."""
    frame = jpeg.parse(saved(subsampling=2, quality=90)).frame
    with Image.open(io.BytesIO(saved(subsampling=2, quality=90))) as image:
        tables = image.quantization  # type: ignore[attr-defined]
    assert (frame.width, frame.height, frame.is_progressive) == (53, 43, False)
    assert [(p.h, p.v, p.block_rows, p.block_cols) for p in frame.planes] == [(2, 2, 6, 8), (1, 1, 3, 4), (1, 1, 3, 4)]
    assert [list(p.quantisation) for p in frame.planes] == [tables[0], tables[1], tables[1]]


def test_runs_that_libjpeg_would_not_make_are_listed() -> None:
    """Other encoders end the runs of progressive scans where they like; their files are as dear."""
    content = odd_runs(saved("L", size=(400, 300), progressive=True, quality=30))
    traits, _ = skeleton.unpack(jpeg.parse(content).skeleton)
    assert any(scan.runs is not None for scan in traits)
    parsed = jpeg.parse(content)
    assert jpeg.emit(parsed.skeleton, parsed.planes) == content


def test_the_skeleton_is_little_more_than_the_headers() -> None:
    """It is paid for in every delta."""
    content = pictures.jpeg(1, (640, 480), quality=95)
    headers = read_headers(content, has_entropy=True)
    n_entropy = sum(scan.end - scan.start for scan in headers.scans)
    assert len(jpeg.parse(content).skeleton) <= len(content) - n_entropy + 16


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "unsupported"),
        (b"GIF89a", "unsupported"),
        (pictures.arithmetic(SEQUENTIAL), "unsupported"),
        (SEQUENTIAL.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"), "unsupported"),
        (SEQUENTIAL.replace(b"\xff\xc0", b"\xff\xc3"), "unsupported"),
        (SEQUENTIAL.replace(b"\xff\xc0", b"\xff\xc5"), "unsupported"),
        (SEQUENTIAL.replace(b"\xff\xc0\x00\x11\x08\x00\x2b", b"\xff\xc0\x00\x11\x08\x00\x00"), "unsupported"),
        (SEQUENTIAL.replace(b"\xff\xc0\x00\x11\x08\x00\x2b", b"\xff\xc0\x00\x11\x08\xff\xff"), "damaged"),
        (SEQUENTIAL.replace(b"\xff\xc0\x00\x11\x08\x00\x2b\x00\x35", b"\xff\xc0\x00\x11\x08\xff\xff\xff\xff"), "too_large"),
        (pictures.cut(SEQUENTIAL), "damaged"),
        (pictures.cut(SEQUENTIAL, keep=0.1), "damaged"),
        (pictures.cut(PROGRESSIVE, keep=0.97), "damaged"),
        (SEQUENTIAL.replace(b"\xff\xda", b"\xff\xfe"), "damaged"),
        (saved(restart_marker_rows=1).replace(b"\xff\xd0", b""), "damaged"),
    ],
)
def test_what_cannot_be_coded_is_refused_by_reason(content: bytes, reason: str) -> None:
    """Such a file goes another way, and is counted; it is never coded wrongly."""
    with pytest.raises(ContentError) as refused:
        jpeg.parse(content)
    assert refused.value.reason == reason


def test_a_scan_that_no_encoder_makes_is_refused() -> None:
    """Twice the same scan: the coefficients alone do not say what the first of them held."""
    headers = read_headers(SEQUENTIAL, has_entropy=True)
    scan = headers.scans[0]
    other = rewritten(SEQUENTIAL)[scan.start : scan.end]
    planes = [plane.copy() for plane in jpeg.parse(SEQUENTIAL).planes]
    planes[0][0, 0, 0] += 1
    other = write_scan(scan, Traits(True, (), None), planes)
    header = SEQUENTIAL[SEQUENTIAL.index(b"\xff\xda") : scan.start]
    with pytest.raises(ContentError) as refused:
        jpeg.parse(SEQUENTIAL[: scan.end] + header + other + SEQUENTIAL[scan.end :])
    assert refused.value.reason == "unsupported"


@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(JPEGS)))
def test_a_damaged_jpeg_is_refused_or_exact(seed: int, name: str) -> None:
    """Nothing that a file can hold makes the kernel crash, or give other bytes back."""
    content = pictures.flipped(JPEGS[name], seed, n_bytes=random.Random(seed).choice((1, 2, 8)))
    try:
        parsed = jpeg.parse(content)
    except ContentError:
        return
    assert jpeg.emit(parsed.skeleton, parsed.planes) == content


@given(seed=st.integers(0, 2**32), name=st.sampled_from(sorted(JPEGS)))
def test_a_damaged_skeleton_is_refused_or_emitted(seed: int, name: str) -> None:
    """Its checksum is right here: a skeleton comes over a link, from somebody who can count."""
    parsed = jpeg.parse(JPEGS[name])
    start = parsed.skeleton[:3]
    body = pictures.flipped(parsed.skeleton[3:], seed)[4:]
    damaged = start + zlib.crc32(body).to_bytes(4, "little") + body
    planes = [np.random.default_rng(seed).integers(-2000, 2000, plane.shape).astype(np.int16) for plane in parsed.planes]
    for blocks in (parsed.planes, planes):
        with contextlib.suppress(ContentError):
            assert jpeg.emit(damaged, blocks)


def test_a_skeleton_that_was_damaged_on_its_way_is_noticed() -> None:
    """A changed header would give other bytes, quietly."""
    parsed = jpeg.parse(SEQUENTIAL)
    with pytest.raises(ContentError, match="checksum"):
        jpeg.emit(pictures.flipped(parsed.skeleton, 1), parsed.planes)
    with pytest.raises(ContentError, match="version"):
        jpeg.frame_of(b"SJ\x02" + parsed.skeleton[3:])
    with pytest.raises(ContentError):
        jpeg.frame_of(parsed.skeleton[:5])


def test_coefficients_of_another_picture_are_refused() -> None:
    """Blocks of another shape, or without a code in the file's own tables."""
    parsed = jpeg.parse(SEQUENTIAL)
    for planes in (
        parsed.planes[:2],
        [plane[:-1] for plane in parsed.planes],
        [plane[:, :0] for plane in parsed.planes],
        [np.full_like(plane, -32768) for plane in parsed.planes],
    ):
        with pytest.raises(ContentError) as refused:
            jpeg.emit(parsed.skeleton, planes)
        assert refused.value.reason == "damaged"
