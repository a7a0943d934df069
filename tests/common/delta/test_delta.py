"""Deltas: what comes out is the target to the last bit, or nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import delta
from common.delta.container import Container, from_bytes, to_bytes
from common.errors import ContentError, IntegrityError
from common.ids import digest_of
from tests.fakes import pictures

PHOTO = pictures.jpeg(1, (640, 480))
TAGGED = pictures.jpeg(1, (640, 480), exif=b"Exif\0\0II*\0" + b"a day out " * 50)
NOISE = random.Random(1).randbytes(100_000)
TEXT = b"a line that comes again\n" * 4000


@pytest.mark.parametrize(
    ("target", "base", "method", "most"),
    [
        pytest.param(TAGGED, PHOTO, "zstd-patch", 0.05, id="a tag added"),
        pytest.param(PHOTO, PHOTO, "zstd-patch", 0.01, id="the same again"),
        pytest.param(PHOTO + NOISE[:50], PHOTO, "zstd-patch", 0.02, id="bytes behind the end"),
        pytest.param(pictures.jpeg(2, (640, 480)), PHOTO, "jpeg", 0.95, id="another picture: coded by itself"),
        pytest.param(NOISE, PHOTO, "raw", 1.001, id="noise goes as it is"),
        pytest.param(TEXT, None, "zstd", 0.05, id="without a base"),
        pytest.param(PHOTO[:70], NOISE, "raw", None, id="a few bytes"),
        pytest.param(b"", PHOTO, "raw", None, id="nothing"),
        pytest.param(b"", b"", "raw", None, id="nothing over nothing"),
    ],
)
def test_a_target_comes_back(target: bytes, base: bytes | None, method: str, most: float | None) -> None:
    """By the method that suits it, and never longer than itself and 64 bytes."""
    made = delta.encode_best(target, base)
    assert delta.decode(made, base) == target
    assert delta.described(made)[0] == method
    assert len(made) <= len(target) + 64
    assert most is None or len(made) <= most * len(target)


def test_a_delta_over_another_base_gives_nothing() -> None:
    """Nor without one; a whole coding needs none and minds none."""
    made = delta.encode_best(TAGGED, PHOTO)
    for base in (TAGGED, b"", None):
        with pytest.raises(IntegrityError, match="base"):
            delta.decode(made, base)
    assert delta.decode(delta.encode_best(TEXT, None), PHOTO) == TEXT


@given(st.data())
def test_a_damaged_delta_never_gives_wrong_bytes(data: st.DataObject) -> None:
    """A byte changed, cut off or added anywhere: the target, or an error of the family."""
    made = bytearray(data.draw(st.sampled_from(DELTAS)))
    at = data.draw(st.integers(0, len(made) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "add"])):
        case "flip":
            made[at] ^= data.draw(st.integers(1, 255))
        case "cut":
            del made[at:]
        case _:
            made[at:at] = data.draw(st.binary(min_size=1, max_size=9))
    try:
        out = delta.decode(bytes(made), PHOTO)
    except (ContentError, IntegrityError):
        return
    assert out in {TAGGED, PHOTO, TEXT}


DELTAS = [delta.encode_best(TAGGED, PHOTO), delta.encode_best(PHOTO, None), delta.encode_best(TEXT, None)]


@given(st.integers(0, 2**62), st.binary(max_size=30), st.booleans())
def test_a_container_says_what_it_was_told(size: int, body: bytes, has_base: bool) -> None:
    """Whatever the numbers."""
    made = Container("zstd-patch", digest_of(b"t"), size, digest_of(b"b") if has_base else None, body)
    assert from_bytes(to_bytes(made)) == made


@pytest.mark.parametrize("raw", [b"", b"SMD", b"SMD\x01", b"JPEG and more", b"SMD\x01\x05raw"])
def test_what_is_no_delta_is_refused(raw: bytes) -> None:
    """Before anything is done with it."""
    with pytest.raises(ContentError):
        delta.decode(raw, PHOTO)


def test_a_delta_of_a_later_program_is_refused_politely() -> None:
    """Of another version, and by another method."""
    made = delta.encode_best(TEXT, None)
    with pytest.raises(ContentError, match="later version"):
        delta.decode(b"SMD\x02" + made[4:], None)
    other = Container("holograms", digest_of(TEXT), len(TEXT), None, b"")
    with pytest.raises(ContentError, match="holograms"):
        delta.decode(to_bytes(other), None)


def test_what_is_too_large_is_refused_before_memory_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of target and base, and of what a delta says that it would be."""
    monkeypatch.setattr(delta, "MAX_BYTES", 1000)
    for target, base in ((NOISE, None), (b"small", NOISE)):
        with pytest.raises(ContentError) as refused:
            delta.encode_best(target, base)
        assert refused.value.reason == "too_large"
    with pytest.raises(ContentError) as refused:
        delta.decode(to_bytes(Container("raw", digest_of(NOISE), len(NOISE), None, NOISE)), None)
    assert refused.value.reason == "too_large"
