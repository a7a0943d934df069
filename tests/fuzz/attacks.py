"""What is done with spoilt bytes, and what must hold whatever they are.

An attack raises ContentError or IntegrityError, or returns a word for what came of it. Anything else is a finding: another class
of exception, a process that ends, a deadline that passes, and `Wrong`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from common import delta
from common.delta import METHODS, approximate, edits
from common.delta.container import from_bytes
from common.delta.edits import Edit
from common.delta.opened import Opened
from common.delta.steps import STEPS, Window
from common.ids import digest_of
from common.kernel import jpeg, mixing, pixels
from common.kernel.frame import Frame
from tests.fuzz import seeds

Inputs = tuple[bytes, ...]

SLACK_BYTES = 64
_STEPS = 64
_HINT_BYTES = 48
_MOST_PIXELS = 1 << 21
"""Of a picture that is looked at in many ways: larger ones are only made."""


class Wrong(Exception):
    """Bytes came out that are not those that went in, or a promise was broken."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A kind of case."""

    run: Callable[..., str]
    """Takes the inputs, returns a word."""
    seeds: Callable[[], Iterable[Inputs]]
    spoils: tuple[int, ...] = (0,)
    """The inputs that are changed; the others stay as they are."""


def _parse(content: bytes) -> str:
    """A JPEG that is taken apart comes together again, to the byte."""
    parsed = jpeg.parse(content)
    if jpeg.emit(parsed.skeleton, parsed.planes) != content:
        raise Wrong("emit made other bytes than parse had read")
    if jpeg.frame_of(parsed.skeleton) != parsed.frame:
        raise Wrong("the skeleton has another frame than its file")
    if mixing.decode(mixing.encode(parsed.planes, parsed.frame), parsed.frame)[0].tobytes() != parsed.planes[0].tobytes():
        raise Wrong("the coder made other coefficients")
    return "exact"


def _open(content: bytes) -> str:
    """What a base must bear: believed, not proved, and seen at every size."""
    opened = Opened(content)
    shapes = [opened.pixels(eighths).shape for eighths in (8, 4, 2, 1)]
    return f"a picture of {shapes[0][2]}, and {len(opened.skeleton) > 0}"


def _skeleton(packed: bytes, coded: bytes) -> str:
    """What a decoder does with a skeleton whose checksum is right, and coefficients that are perhaps of another."""
    skeleton = b"SJ\x01" + zlib.crc32(packed).to_bytes(4, "little") + packed
    frame = jpeg.frame_of(skeleton)
    planes = mixing.decode(coded, frame)
    jpeg.emit(skeleton, planes)
    if frame.height * frame.width <= _MOST_PIXELS:
        _expect(frame)
    return "emitted"


def _expect(frame: Frame) -> None:
    """Pixels of the frame's size, and what is expected of them by both transforms."""
    picture = np.full((frame.height, frame.width, len(frame.planes)), 77, np.uint8)
    for transform in ("islow", "ifast"):
        pixels.expect(picture, frame, transform)


def _mixing(coded: bytes, skeleton: bytes) -> str:
    """Coefficients against an expectation and without one: planes within their limits, or damage."""
    frame = jpeg.frame_of(skeleton)
    shapes = [(plane.block_rows, plane.block_cols, 64) for plane in frame.planes]
    expected = [(np.arange(np.prod(shape)).reshape(shape) % 9001 - 4500).astype(np.int32) for shape in shapes]
    planes = mixing.decode(coded, frame, expected if coded[1:2] == b"\1" else None)
    if max(int(np.abs(plane).max()) for plane in planes) > 2047:
        raise Wrong("a coefficient that no JPEG has")
    again = mixing.decode(mixing.encode(planes, frame, expected), frame, expected)
    if any(not np.array_equal(one, other) for one, other in zip(planes, again, strict=True)):
        raise Wrong("the coder made other coefficients")
    return "planes"


def _edit(told: bytes, base: bytes) -> str:
    """An edit is refused, or makes a picture of the shape that it said, whole and in windows."""
    edit = edits.from_bytes(told)
    if edits.from_bytes(edits.to_bytes(edit)) != edit:
        raise Wrong("an edit that is told again is another")
    opened = Opened(base)
    shape = edits.shapes_of(edit, opened)[-1]
    rows, cols = max(1, shape.rows // 3), max(1, shape.cols // 3)
    window = Window(shape.rows - rows, shape.cols - cols, min(rows, 64), min(cols, 64))
    part = edits.render(edit, opened, window)
    if max(one.rows * one.cols for one in edits.shapes_of(edit, opened)) > _MOST_PIXELS:
        return "large"
    picture = edits.render(edit, opened)
    if picture.shape != shape or picture.dtype != np.uint8:
        raise Wrong("a picture of another shape than was said")
    if not np.array_equal(window.of(picture), part):
        raise Wrong("a window shows something else than the whole")
    return f"{len(edit.steps)} steps"


def _steps(inflated: bytes, base: bytes) -> str:
    """The same, of steps whose numbers were changed before they were deflated."""
    return _edit(inflated[:1] + zlib.compress(inflated[1:], 1, -15), base)


def _values(kinds: bytes, values: bytes, base: bytes) -> str:
    """The same, of steps by their kinds and how many numbers each has; the numbers, of four bytes each, are spoilt."""
    rest, steps = np.frombuffer(values[: len(values) // 4 * 4], "<i4").tolist(), []
    for kind, n in np.frombuffer(kinds, "<u2").reshape(-1, 2).tolist():
        steps.append(STEPS[kind].from_ints(rest[:n]))
        rest = rest[n:]
    return _edit(edits.to_bytes(Edit(tuple(steps))), base)


def _container(made: bytes, base: bytes, target: bytes) -> str:
    """A delta gives the target that it names, or nothing."""
    out, told = delta.decode(made, base), from_bytes(made)
    if digest_of(out) != told.target or (told.target == digest_of(target) and out != target):
        raise Wrong("a damaged delta gave other bytes")
    return "the target all the same" if out == target else "it was another delta"


def _body(body: bytes, base: bytes, name: bytes, size: bytes) -> str:
    """A method alone, whose answer its caller will prove: bytes, or a ContentError."""
    out = METHODS[name.decode()].decode(body, seeds.Believed(base), size=int(size))
    return f"{name.decode()}: {'as long' if len(out) == int(size) else 'of another length'}"


def _encode(target: bytes, base: bytes) -> str:
    """Whatever the files are, the delta is no longer than the target, and gives it back."""
    made = delta.encode_best(target, base or None)
    if delta.decode(made, base or None) != target:
        raise Wrong("encoded to something else")
    if len(made) > len(target) + SLACK_BYTES:
        raise Wrong(f"{len(made)} bytes for {len(target)}")
    return delta.described(made)[0]


def _hinted(hint: bytes, target: bytes, base: bytes) -> str:
    """A wrong hint, of any numbers, costs bytes."""
    place = np.frombuffer(hint[:_HINT_BYTES].ljust(_HINT_BYTES, b"\0"), np.float64).tolist()
    made = delta.encode_best(target, base, place)
    if delta.decode(made, base) != target:
        raise Wrong("encoded to something else")
    return delta.described(made)[0]


def _approximation(target: bytes, base: bytes) -> str:
    """Some bytes that make a picture of the base, whatever both are."""
    told = approximate.recipe(target, base)
    if len(told) > approximate.MAX_BYTES:
        raise Wrong(f"an approximation of {len(told)} bytes")
    return f"a picture of {approximate.render(told, base).shape[2]}"


def _packed() -> Iterable[Inputs]:
    """Skeletons from behind their checksum on."""
    yield from ((skeleton[7:], coded) for skeleton, coded in _skeletons())


def _skeletons() -> Iterable[Inputs]:
    for content in seeds.jpegs().values():
        if content != seeds.jpegs()["arithmetic"]:
            parsed = jpeg.parse(content)
            yield parsed.skeleton, mixing.encode(parsed.planes, parsed.frame)


def _coded() -> Iterable[Inputs]:
    for skeleton, coded in _skeletons():
        frame = jpeg.frame_of(skeleton)
        planes = mixing.decode(coded, frame)
        yield coded, skeleton
        yield mixing.encode(planes, frame, [plane.astype(np.int32) * _STEPS + 9 for plane in planes]), skeleton


def _inflated() -> Iterable[Inputs]:
    for told in seeds.told_edits():
        yield told[:1] + zlib.decompress(told[1:], -15), seeds.BASE


def _told_values() -> Iterable[Inputs]:
    numbers = {kind: number for number, kind in STEPS.items()}
    for edit in seeds.examples():
        values = [list(step.to_ints()) for step in edit.steps]
        kinds = [(numbers[type(step)], len(some)) for step, some in zip(edit.steps, values, strict=True)]
        flat = np.array([value for some in values for value in some], np.int64)
        yield np.array(kinds, "<u2").tobytes(), np.clip(flat, -(2**31), 2**31 - 1).astype("<i4").tobytes(), seeds.BASE


def _all_bodies() -> Iterable[Inputs]:
    for one in seeds.bodies():
        yield one.body, one.base, one.method.encode(), b"%d" % len(one.target)


def _bodies_over_bases() -> Iterable[Inputs]:
    return (inputs for inputs in _all_bodies() if METHODS[inputs[2].decode()].needs_base)


_HINT = np.array([1, 0, 0, 0, 1, 0], np.float64).tobytes()
"""Where all of the target is all of the base."""

ATTACKS: Mapping[str, Attack] = MappingProxyType(
    {
        "parse": Attack(_parse, lambda: [(content,) for content in seeds.jpegs().values()]),
        "open": Attack(_open, lambda: [(content,) for content in [*seeds.jpegs().values(), *seeds.rasters().values()]]),
        "skeleton": Attack(_skeleton, _packed, (0, 1)),
        "mixing": Attack(_mixing, _coded),
        "edit": Attack(_edit, lambda: [(told, seeds.BASE) for told in seeds.told_edits()]),
        "steps": Attack(_steps, _inflated),
        "values": Attack(_values, _told_values, (1,)),
        "container": Attack(_container, seeds.deltas),
        "body": Attack(_body, _all_bodies),
        "base": Attack(_body, _bodies_over_bases, (1,)),
        "encode": Attack(_encode, seeds.pairs, (0, 1)),
        "encode_target": Attack(_encode, seeds.pairs),
        "approximation": Attack(_approximation, seeds.pairs, (0, 1)),
        "hinted": Attack(_hinted, lambda: [(_HINT, *pair) for pair in seeds.pairs() if pair[1]]),
    }
)
