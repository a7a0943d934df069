"""Metadata: what cameras write is read, and what is rotten is empty."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from common.images.metadata import Metadata, metadata
from tests.fakes.scenes import encoded, scene

TINY = scene(4, (96, 64))


def photographed(time: str = "2026:11:03 17:20:05", camera: str = "Canon EOS D60", orientation: int = 6) -> bytes:
    """A JPEG with the EXIF of a camera, a preview included."""
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = camera
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = time
    return encoded(TINY, exif=exif.tobytes())


def test_time_camera_and_orientation_are_read() -> None:
    """They are what two copies of one picture share when their bytes do not."""
    found = metadata(photographed())
    assert (found.time, found.camera, found.orientation) == ("2026:11:03 17:20:05", "Canon EOS D60", 6)
    assert metadata(encoded(TINY, "PNG")) == Metadata() == metadata(b"no picture") == metadata(b"")


def test_jpegs_quantised_alike_share_their_tables() -> None:
    """A piece cut out without loss has those of the whole, whatever else was written; another encoding has others."""
    tables = metadata(photographed()).tables
    assert len(tables) == 8
    assert metadata(encoded(TINY.crop((0, 0, 32, 32)), progressive=True)).tables == tables
    assert metadata(encoded(TINY, exif=b"Exif\0\0rotten")).tables == tables
    assert metadata(encoded(TINY, quality=89)).tables != tables
    assert metadata(encoded(TINY, subsampling=0)).tables != tables


def test_one_press_of_the_shutter_has_one_key() -> None:
    """An edit keeps the key; another time or camera, or none, does not share it."""
    key = metadata(photographed()).exif_key()
    assert len(key) == 8
    assert metadata(photographed(orientation=1)).exif_key() == key
    assert metadata(photographed(time="2026:11:03 17:20:06")).exif_key() != key
    assert metadata(photographed(camera="Canon EOS 5D")).exif_key() != key
    assert metadata(encoded(TINY)).exif_key() == b""
    assert metadata(photographed(time="0000:00:00 00:00:00")).exif_key() == b""


def test_nonsense_in_a_field_is_not_passed_on() -> None:
    """An orientation of 77 or a name of control characters would confuse whoever believes it."""
    found = metadata(photographed(camera="X" * 500 + "\x1b[31m", orientation=77))
    assert found.orientation == 1
    assert len(found.camera) <= 128
    assert found.camera.isprintable()


def test_the_embedded_preview_is_found() -> None:
    """Cameras put a JPEG of 160x120 beside the picture."""
    preview = encoded(TINY.resize((48, 32)))
    directory = b"\x02\x00" + entry(0x201, 38 + 6) + entry(0x202, len(preview)) + bytes(4)
    main = b"\x00\x00" + (14).to_bytes(4, "little")
    blob = b"II*\x00\x08\x00\x00\x00" + main + directory
    blob += bytes(44 - len(blob)) + preview
    assert metadata(encoded(TINY, exif=b"Exif\0\0" + blob)).thumbnail == preview
    assert metadata(encoded(TINY, exif=b"Exif\0\0" + blob[:-9])).thumbnail == b""


def entry(tag: int, value: int) -> bytes:
    """A TIFF directory's entry of one number."""
    return tag.to_bytes(2, "little") + b"\x04\x00" + (1).to_bytes(4, "little") + value.to_bytes(4, "little")


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_rotten_metadata_never_raises(seed: int) -> None:
    """One file in a hundred of a real library has broken EXIF, and is a picture all the same."""
    rng = np.random.default_rng(seed)
    content = bytearray(photographed())
    for at in rng.integers(2, min(len(content), 300), rng.integers(1, 20)):
        content[at] = rng.integers(0, 256)
    found = metadata(bytes(content))
    assert 1 <= found.orientation <= 8
    assert (found.time + found.camera).isprintable()
