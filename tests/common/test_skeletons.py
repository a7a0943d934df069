"""What of a JPEG is not its picture's coefficients: embedded pictures, customary headers, and what hostile bodies meet."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PIL import Image

from common.coding import CODINGS
from common.coding.customary import customary
from common.coding.embedded import MOST_PICTURES, find
from common.coding.over import compress
from common.coding.skeletons import from_body, to_body
from common.errors import ContentError
from common.ids import digest_of
from common.kernel import jpeg, mixing
from common.kernel.skeleton import unsealed
from common.varints import to_varint
from tests.contracts.coding_contract import decoded, encoded
from tests.fakes import pictures

SIZE = (320, 240)
PHOTO = pictures.jpeg(1, SIZE)
OTHER = pictures.jpeg(2, (160, 120))


def thumbnail(size: tuple[int, int] = (80, 60), how: Image.Resampling = Image.Resampling.BOX) -> bytes:
    """A small one of PHOTO."""
    file = io.BytesIO()
    Image.open(io.BytesIO(PHOTO)).resize(size, how).save(file, "JPEG", quality=85)
    return file.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    """A marker segment."""
    return b"\xff" + bytes([marker]) + (2 + len(content)).to_bytes(2) + content


def with_segments(content: bytes, *segments: bytes) -> bytes:
    """A JPEG with segments behind its first marker."""
    return content[:2] + b"".join(segments) + content[2:]


def in_exif(content: bytes, picture: bytes) -> bytes:
    """A JPEG with a picture where EXIF has its thumbnail."""
    return with_segments(content, segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + bytes(100) + picture + bytes(20)))


def in_flashpix(content: bytes, picture: bytes, *, at: int) -> bytes:
    """A JPEG with a picture spread over two segments, as FlashPix does it."""
    head = b"FPXR\0\0\x02\0\x01"
    first, second = head + bytes(4) + b"ab" + picture[:at], head + at.to_bytes(4) + picture[at:]
    return with_segments(content, segment(0xE2, first), segment(0xE2, second))


def body_of(content: bytes, known: bytes = b"") -> bytes:
    """The body of a JPEG without its coefficients."""
    return to_body(jpeg.parse(content), known, b"")


def comes_back(content: bytes, known: bytes = b"") -> bool:
    """Whether the body gives the file again, given the coefficients."""
    told = from_body(body_of(content, known) + b"the rest", known, size=len(content))
    return told.coded == b"the rest" and told.file(jpeg.parse(content).planes) == content


def n_found(content: bytes, known: bytes = b"") -> int:
    """How many pictures are found in a JPEG."""
    return len(list(find(unsealed(jpeg.parse(content).skeleton), known)))


EMBEDDED: dict[str, Callable[[], bytes]] = {
    "none": lambda: PHOTO,
    "a thumbnail": lambda: in_exif(PHOTO, thumbnail()),
    "a picture of something else": lambda: in_exif(PHOTO, OTHER),
    "a preview behind the end": lambda: PHOTO + thumbnail((160, 120)) + b"more",
    "a preview with a thumbnail": lambda: PHOTO + in_exif(thumbnail((160, 120)), thumbnail()),
    "three deep": lambda: PHOTO + in_exif(thumbnail((160, 120)), in_exif(thumbnail(), thumbnail((40, 30)))),
    "over two segments": lambda: in_flashpix(PHOTO, thumbnail(), at=700),
    "twice the same": lambda: in_exif(in_exif(PHOTO, thumbnail()), thumbnail()),
    "grey in colour": lambda: in_exif(PHOTO, pictures.jpeg(3, (160, 120), grey=True)),
    "four colours": lambda: in_exif(pictures.cmyk_jpeg(1), thumbnail()),
    "in a progressive one": lambda: in_exif(pictures.jpeg(1, SIZE, progressive=True), thumbnail()),
    "cut off": lambda: in_exif(PHOTO, pictures.cut(thumbnail())),
    "first markers only": lambda: in_exif(PHOTO, b"\xff\xd8\xff" * 200),
}


@pytest.mark.parametrize("kind", EMBEDDED)
def test_whatever_is_embedded_comes_back(kind: str) -> None:
    """To the byte."""
    assert comes_back(EMBEDDED[kind]())


@pytest.mark.parametrize("kind", EMBEDDED)
def test_the_coding_of_the_daemons_brings_all_of_it_back(kind: str) -> None:
    """With the coefficients of the picture itself."""
    content = EMBEDDED[kind]()
    assert decoded(CODINGS["jpeg"], encoded(CODINGS["jpeg"], content), size=len(content)) == content


@pytest.mark.parametrize(
    ("content", "without", "most"),
    [
        pytest.param(in_exif(PHOTO, OTHER), PHOTO, 0.85 * len(OTHER), id="by itself"),
        pytest.param(in_exif(PHOTO, thumbnail()), PHOTO, 0.2 * len(thumbnail()), id="from the picture, by boxes"),
        pytest.param(
            in_exif(PHOTO, thumbnail(how=Image.Resampling.BICUBIC)), PHOTO, 0.2 * len(thumbnail()), id="from the picture, bicubic"
        ),
        pytest.param(PHOTO + thumbnail((160, 120)), PHOTO, 0.2 * len(thumbnail((160, 120))), id="a preview"),
        pytest.param(in_flashpix(PHOTO, thumbnail(), at=700), PHOTO, 0.2 * len(thumbnail()), id="over two segments"),
        pytest.param(in_exif(in_exif(PHOTO, OTHER), OTHER), in_exif(PHOTO, OTHER), 40, id="a second time"),
    ],
)
def test_an_embedded_picture_is_coded_as_a_picture(content: bytes, without: bytes, most: float) -> None:
    """What it adds is less than its bytes."""
    assert len(body_of(content)) - len(body_of(without)) < most


@pytest.mark.parametrize("put", [in_exif, partial(in_flashpix, at=700)])
def test_what_is_in_the_base_too_stays_where_it_is(put: Callable[[bytes, bytes], bytes]) -> None:
    """It is copied from there, also in pieces."""
    base, target = put(PHOTO, OTHER), put(pictures.jpeg(1, SIZE, quality=70), OTHER)
    known = jpeg.parse(base).skeleton
    assert n_found(target) == 1
    assert n_found(target, known) == 0
    assert len(body_of(target, known)) < 100
    assert comes_back(target, known)


def test_only_so_many_pictures_are_looked_for() -> None:
    """The others stay bytes."""
    small = pictures.jpeg(4, (16, 16))
    content = PHOTO + small * (MOST_PICTURES + 9)
    assert n_found(content) == MOST_PICTURES
    assert comes_back(content)


def test_headers_that_everybody_writes_take_a_few_bytes() -> None:
    """Pillow's, which are libjpeg's, at any quality."""
    for quality in (1, 30, 50, 75, 92, 100):
        for subsampling in ("4:2:0", "4:4:4"):
            assert len(body_of(pictures.jpeg(1, (64, 64), quality=quality, subsampling=subsampling))) < 40
    assert len(body_of(pictures.jpeg(1, (64, 64), grey=True))) < 40


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("quality", [20, 60, 95])
def test_tables_that_libjpeg_makes_are_not_told(quality: int, progressive: bool) -> None:
    """A few bytes say where they belong."""
    file = io.BytesIO()
    pictures.photo(1, SIZE).save(file, "JPEG", quality=quality, optimize=True, progressive=progressive)
    assert len(body_of(file.getvalue())) < (150 if progressive else 70)
    assert comes_back(file.getvalue())


def test_a_table_that_no_scan_uses_is_not_made() -> None:
    """Something left out of where none is."""
    inner = sheet(0, 1, len(TEXT), 20, text=TEXT)
    told = from_body(inner, b"", size=len(OTHER))
    with pytest.raises(ContentError) as refusal:
        told.file(jpeg.parse(OTHER).planes)
    assert refusal.value.reason == "damaged"


def test_what_is_customary_stays_for_ever() -> None:
    """Coded JPEGs need the very bytes. If this fails, the codings that use them want new names."""
    assert digest_of(customary()).hex() == "b72d7bff173f6fcc008bd6948f2bd0bdffa63c22ef1d81c523ff4c2b9a0988cb"


def sheet(*numbers: int, text: bytes = b"") -> bytes:
    """A body with a sheet of these numbers before its text."""
    return compress(b"".join(map(to_varint, numbers)) + text, customary())


TEXT = unsealed(jpeg.parse(OTHER).skeleton)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(sheet(), id="an empty sheet"),
        pytest.param(sheet(0, 0), id="no skeleton"),
        pytest.param(sheet(0, 256, text=TEXT), id="too many tables"),
        pytest.param(sheet(0, 1, 5, 16, text=TEXT), id="a table of no symbols"),
        pytest.param(sheet(0, 1, 5, 1 << 40, text=TEXT), id="a table larger than any"),
        pytest.param(sheet(0, 1, 1 << 40, 30, text=TEXT), id="a table beyond the end"),
        pytest.param(sheet(MOST_PICTURES + 1, text=TEXT), id="too many pictures"),
        pytest.param(sheet(1, 65, text=TEXT), id="too many pieces"),
        pytest.param(sheet(1, 1, 0, 1 << 40, 0, 0, 0, text=TEXT), id="a piece larger than the file"),
        pytest.param(sheet(1, 1, 1 << 40, 1, 0, 0, 1, 0, text=TEXT), id="a piece beyond the end"),
        pytest.param(sheet(1, 1, 0, 1, 0, 0, 1 << 20, text=TEXT), id="an inner sheet beyond the end"),
        pytest.param(sheet(0, 0, text=TEXT.replace(b"\0\x78\0\xa0", b"\x18\0\x18\0")), id="a picture too large for its file"),
        pytest.param(sheet(0, 0, text=TEXT + bytes(1 << 20)), id="a skeleton too large for its file"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(body: bytes) -> None:
    """Before anything large is made of it."""
    with pytest.raises(ContentError) as refusal:
        from_body(body, b"", size=len(OTHER))
    assert refusal.value.reason in {"damaged", "too_long"}


@pytest.mark.parametrize("origin", [3, 2 * 99])
def test_an_origin_that_is_not_there_is_refused(origin: int) -> None:
    """A picture to come, and a way that is not known."""
    inner = b"\0\0" + TEXT
    body = sheet(1, 1, len(TEXT), len(OTHER), origin, 0, len(inner), text=inner + b"\0" + TEXT)
    told = from_body(body, b"", size=2 * len(OTHER))
    with pytest.raises(ContentError) as refusal:
        told.file(jpeg.parse(OTHER).planes)
    assert refusal.value.reason == "damaged"


@pytest.mark.parametrize("kind", ["a preview with a thumbnail", "over two segments", "twice the same"])
def test_damaged_bodies_end_in_errors_or_other_bytes(kind: str) -> None:
    """Never in anything else."""
    content = EMBEDDED[kind]()
    parsed = jpeg.parse(content)
    body = to_body(parsed, b"", mixing.encode(parsed.planes, parsed.frame))
    rng = np.random.default_rng(1)
    for _ in range(60):
        spoilt = bytearray(body)
        spoilt[int(rng.integers(len(spoilt) // 8))] ^= int(rng.integers(1, 256))
        try:
            told = from_body(bytes(spoilt), b"", size=len(content))
            told.file(mixing.decode(told.coded, told.frame))
        except ContentError:
            continue
