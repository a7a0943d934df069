"""The coder of coefficients: what comes back is what went in, damage is bounded, and a good prediction costs next to nothing."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import lepton_jpeg_python
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from common.errors import ContentError
from common.kernel import jpeg, mixing, pixels
from common.kernel.frame import Frame, Plane
from tests.fakes import pictures

Planes = list[NDArray[np.int16]]


def frame_of(shapes: list[tuple[int, int]], step: int = 3) -> Frame:
    """A frame of planes of so many rows and columns of blocks."""
    planes = tuple(Plane(i, 1, 1, (step,) * 64, rows, cols) for i, (rows, cols) in enumerate(shapes))
    return Frame(8 * shapes[0][1], 8 * shapes[0][0], is_progressive=False, planes=planes)


def noise(frame: Frame, seed: int, spread: float) -> Planes:
    """Planes of random coefficients, up to the largest that there are."""
    rng = np.random.default_rng(seed)
    shapes = [(plane.block_rows, plane.block_cols, 64) for plane in frame.planes]
    return [np.clip(np.rint(rng.laplace(0, spread, shape)), -2047, 2047).astype(np.int16) for shape in shapes]


def expected_of(planes: Planes, seed: int, spread: float) -> list[NDArray[np.int32]]:
    """What a base would predict that is off by so many 1/64 steps."""
    rng = np.random.default_rng(seed)
    return [plane.astype(np.int32) * 64 + np.rint(rng.normal(0, spread, plane.shape)).astype(np.int32) for plane in planes]


def assert_equal(one: Planes, other: Planes) -> None:
    """Plane by plane, to the last coefficient."""
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0.0, 0.3, 4.0, 900.0]),
    off=st.sampled_from([None, 0.0, 20.0, 5000.0]),
    step=st.sampled_from([1, 16, 255, 65535]),
)
def test_planes_of_every_shape_come_back(
    shapes: list[tuple[int, int]], seed: int, spread: float, off: float | None, step: int
) -> None:
    """Whatever they are and whatever was predicted, also what no picture has."""
    frame = frame_of(shapes, step)
    planes = noise(frame, seed, spread)
    predicted = None if off is None else expected_of(planes, seed + 1, off)
    assert_equal(mixing.decode(mixing.encode(planes, frame, predicted), frame, predicted), planes)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [30, 85, 98])
def test_a_photo_takes_less_than_lepton_makes_of_it(subsampling: str, quality: int) -> None:
    """With its skeleton it must not be worse; photos of cameras are measured by the bench."""
    content = pictures.jpeg(3, (640, 480), quality=quality, subsampling=subsampling)
    parsed = jpeg.parse(content)
    coded = mixing.encode(parsed.planes, parsed.frame)
    assert_equal(mixing.decode(coded, parsed.frame), parsed.planes)
    assert len(coded) < len(lepton_jpeg_python.compress_bytes(content))


@pytest.mark.parametrize("content", [pictures.jpeg(4, grey=True), pictures.cmyk_jpeg(5), pictures.jpeg(6, progressive=True)])
def test_grey_and_four_colours_and_progressive_pictures_come_back(content: bytes) -> None:
    """One component, four, and the coefficients of several scans."""
    parsed = jpeg.parse(content)
    coded = mixing.encode(parsed.planes, parsed.frame)
    assert jpeg.emit(parsed.skeleton, mixing.decode(coded, parsed.frame)) == content


def test_what_is_as_predicted_costs_next_to_nothing() -> None:
    """A re-encoded or cropped copy is predicted exactly: 0.03 % of it is the aim."""
    content = pictures.jpeg(8, (800, 600))
    parsed = jpeg.parse(content)
    exact = mixing.encode(parsed.planes, parsed.frame, expected_of(parsed.planes, 1, 0.0))
    assert len(exact) < len(content) * 0.0003
    near = expected_of(parsed.planes, 1, 12.0)
    coded = mixing.encode(parsed.planes, parsed.frame, near)
    assert len(coded) < len(mixing.encode(parsed.planes, parsed.frame)) / 4
    assert_equal(mixing.decode(coded, parsed.frame, near), parsed.planes)


@pytest.mark.parametrize(
    ("off", "most"),
    [
        ("pixels off by one", 0.15),
        ("brighter", 0.45),
        ("moved by half a pixel", 0.8),
        ("another picture", 1.0),
    ],
)
def test_a_poor_prediction_is_worth_what_it_tells_and_never_costs(off: str, most: float) -> None:
    """Of what the picture takes by itself: both models are mixed, and at worst the prediction is not used."""
    content = pictures.jpeg(11, (480, 320), quality=80)
    parsed = jpeg.parse(content)
    picture = pixels.decode_pixels(parsed.planes, parsed.frame).astype(int)
    noise = np.random.default_rng(3).choice([-1, 0, 1], picture.shape, p=[0.1, 0.8, 0.1])
    seen = {
        "pixels off by one": picture + noise,
        "brighter": picture * 27 // 25 + 4,
        "moved by half a pixel": (picture + np.roll(picture, 1, axis=1) + 1) // 2,
        "another picture": np.roll(picture, (93, 131), axis=(0, 1))[::-1],
    }[off]
    predicted = pixels.expect(np.clip(seen, 0, 255).astype(np.uint8), parsed.frame, "islow")
    coded = mixing.encode(parsed.planes, parsed.frame, predicted)
    assert len(coded) <= most * len(mixing.encode(parsed.planes, parsed.frame))
    assert_equal(mixing.decode(coded, parsed.frame, predicted), parsed.planes)


def test_a_patch_that_differs_costs_only_itself() -> None:
    """Where predictions fail they are not believed for a while; beyond, they are as good as before."""
    parsed = jpeg.parse(pictures.jpeg(12, (640, 480)))
    predicted = expected_of(parsed.planes, 1, 0.0)
    for plane, shown in zip(predicted, parsed.planes, strict=True):
        rows, cols = plane.shape[0] // 4, plane.shape[1] // 4
        plane[rows : 2 * rows, cols : 2 * cols] = 64 * shown[:rows, :cols].astype(np.int32)
    coded = mixing.encode(parsed.planes, parsed.frame, predicted)
    assert len(coded) < len(mixing.encode(parsed.planes, parsed.frame)) / 12
    assert_equal(mixing.decode(coded, parsed.frame, predicted), parsed.planes)


def test_halves_are_expected_to_be_rounded_away_from_zero() -> None:
    """As libjpeg's quantisation does: what pixels.forward predicts to the half must cost nothing either."""
    frame = frame_of([(30, 30)])
    planes = noise(frame, 3, 2.0)
    halves = [plane.astype(np.int32) * 64 - 32 * np.sign(plane) for plane in planes]
    assert len(mixing.encode(planes, frame, halves)) < 16


@settings(max_examples=60, deadline=None)
@given(junk=st.binary(max_size=400), is_given=st.booleans())
def test_random_bytes_end_as_damage_or_as_planes_within_limits(junk: bytes, is_given: bool) -> None:
    """The work is that of the frame, whatever the bytes are."""
    frame = frame_of([(9, 5), (3, 4), (9, 5)], 65535)
    predicted = expected_of(noise(frame, 1, 2000.0), 2, 1e6) if is_given else None
    coded = bytes([mixing.VERSION, is_given]) + junk
    try:
        planes = mixing.decode(coded, frame, predicted)
    except ContentError as error:
        assert error.reason == "damaged"  # noqa: PT017 - or it is none: both are right
    else:
        assert all(int(np.abs(plane).max()) <= 2047 for plane in planes)


def test_bytes_cut_off_or_added_are_damage() -> None:
    """Where the coded bytes end is known to the byte."""
    parsed = jpeg.parse(pictures.jpeg(9))
    coded = mixing.encode(parsed.planes, parsed.frame)
    for wrong in (b"", coded[:1], coded[: len(coded) // 2], coded + bytes(8), b"\xff" + coded[1:]):
        with pytest.raises(ContentError, match="coefficients") as caught:
            mixing.decode(wrong, parsed.frame)
        assert caught.value.reason == "damaged"


def test_what_8_bit_jpegs_do_not_have_is_refused() -> None:
    """Too many blocks, coefficients or divisors out of range, shapes that do not fit."""
    frame = frame_of([(2, 2)])
    planes = noise(frame, 1, 1.0)
    planes[0][0, 0, 0] = 2048
    for reason, wrong in (
        ("unsupported", frame),
        ("too_large", frame_of([(1, 8193)])),
        ("too_large", frame_of([(2048, 4097)])),
        ("damaged", replace(frame, planes=())),
        ("damaged", frame_of([(2, 2)], 0)),
    ):
        with pytest.raises(ContentError) as caught:
            mixing.encode(planes, wrong)
        assert caught.value.reason == reason
    with pytest.raises(ValueError, match="planes"):
        mixing.encode(planes, frame_of([(2, 3)]))
    with pytest.raises(ValueError, match="predicted"):
        mixing.decode(b"", frame, [np.zeros((1, 1, 64), np.int32)])


def test_the_tables_are_the_logistic_function_and_its_inverse() -> None:
    """They are made with integers, the oracle with floating point; at the ends a unit of probability is several of odds."""
    squash, stretch = mixing._SQUASH.astype(int), mixing._STRETCH.astype(int)  # type: ignore[attr-defined]
    for odds in range(-2048, 2048):
        assert abs(squash[odds + 2048] - min(65535, max(1, 65536 / (1 + math.exp(-odds / 128))))) <= 1
    for part in range(4096):
        middle = 16 * part + 8
        assert stretch[part] in {-2047, 2047} or squash[stretch[part] + 2047] < middle <= squash[stretch[part] + 2048]


_BUILD = """
import sys
from pathlib import Path
from Cython.Build import cythonize
from setuptools import Extension, setup
flags = sys.argv.pop()
directives = {"language_level": 3, "boundscheck": True, "wraparound": False, "cdivision": True, "initializedcheck": False}
names = ["blocks", "alone", "given", "mixing"]
setup(name="kernel", script_args=["-q", "build_ext", "--inplace"], packages=[], ext_modules=cythonize(
    [Extension(f"common.kernel.{name}", [f"common/kernel/{name}.pyx"], extra_compile_args=flags.split()) for name in names],
    compiler_directives=directives, quiet=True))
"""

_CODE = """
import hashlib, sys
import numpy as np
from common.kernel import mixing
from common.kernel.frame import Frame, Plane
rng = np.random.default_rng(5)
planes = [np.rint(rng.laplace(0, 3, (20, 30, 64))).astype(np.int16) for _ in range(3)]
frame = Frame(240, 160, False, tuple(Plane(i, 1, 1, (9,) * 64, 20, 30) for i in range(3)))
expected = [plane * np.int32(64) + rng.integers(-50, 50, plane.shape, np.int32) for plane in planes]
print(mixing.__file__, hashlib.sha256(mixing.encode(planes, frame) + mixing.encode(planes, frame, expected)).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_bytes_do_not_depend_on_how_the_kernel_was_compiled(tmp_path: Path) -> None:
    """With vectors or without: builds decode each other's deltas. Other flags are tested with the golden samples."""
    source = Path(mixing.__file__).parents[1]
    digests = []
    for flags in ("-O2 -U__SSE2__", None):
        root = tmp_path / (flags or "here").replace(" ", "")
        kernel = root / "common" / "kernel"
        kernel.mkdir(parents=True)
        if flags is None:
            root = source.parent
        else:
            for path in [source / "__init__.py", source / "errors.py", *(source / "kernel").glob("*.p[xy]*")]:
                (root / path.relative_to(source.parent)).write_bytes(path.read_bytes())
            subprocess.run([sys.executable, "-c", _BUILD, flags], cwd=root, check=True, capture_output=True)
        out = subprocess.run([sys.executable, "-c", _CODE], cwd=root, check=True, capture_output=True, text=True).stdout
        file, digest = out.split()
        assert Path(file).is_relative_to(root)
        digests.append(digest)
    assert len(set(digests)) == 1
