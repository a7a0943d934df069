"""Where the target may be in the base, guessed from small pictures of both: a few places, the likelier first.

1. The hint of whoever compared the two, looked at in all the ways in which its pictures may have been turned before that.
2. All of the base, in its eight forms.
3. A piece of it as it is: the target is laid over the base and moved about.
4. A piece of it, made smaller or larger.
5. Points that look alike, and what takes most of them to each other.

Each guess is drawn to where the pictures correlate best. Brighter, darker or greyer pictures correlate as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from common.delta.opened import Opened, Place
from common.delta.search.judges import Judge
from common.delta.search.places import FORMS, after, scaled, undone, unscaled
from common.delta.search.seen import Look, look, reduced, shrunk
from common.delta.steps import Shape

SURE = 0.97
"""A likeness that ends the search for other places."""
LEAST = 0.55
"""A likeness below which a place is none."""
_SIDE = 256
"""Pixels of the longer side of a look."""
_SMALL = 64
"""Likewise, of a first look."""
_LEAST_SHARE = 0.25
"""Of a target that a place shows: less tells nothing."""
_SHARP_SIDE = 768
"""Pixels of the base's longer side, where pieces of the target's size are looked for."""
_LEAST_SIDE = 8
_TEMPLATE_SIDE = 128
_SCALE_STEP = 0.95
_LEAST_TEMPLATE = 14
_KEPT = 2
"""Places of each search that are drawn nearer."""
_TURNS = 60
_N_POINTS = 1500
_MATCHING = 0.8
_MIN_MATCHES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """A place and how much alike the pictures are there: a coefficient of correlation."""

    place: Place
    likeness: float


class _Pair:
    """Small pictures of a target and its base."""

    def __init__(self, base: Opened, judge: Judge) -> None:
        self.target = _soft(look(judge.reduced, judge.shape, _SIDE))
        self.base = _soft(look(lambda eighths: reduced(base, eighths), Shape(*base.shape()), _SIDE))
        self.sharp = _at_one_scale(base, judge)
        self.small = shrunk(self.target, _SMALL), shrunk(self.base, _SMALL)

    def likeness(self, place: Place, *, is_small: bool = False) -> float:
        """Of the target and what the base shows at the place."""
        target, base = self.small if is_small else (self.target, self.base)
        matrix = scaled(place, target.shape, base.shape)
        size = target.shape[1], target.shape[0]
        shown = cv2.warpAffine(
            base, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT, borderValue=-1e4
        )
        is_seen = shown >= 0
        if np.count_nonzero(is_seen) < _LEAST_SHARE * is_seen.size:
            return 0.0
        a, b = target[is_seen], shown[is_seen]
        a, b = a - a.mean(), b - b.mean()
        energy = float((a * a).sum() * (b * b).sum())
        return float((a * b).sum()) / energy**0.5 if energy > 0 else 0.0

    def drawn(self, place: Place) -> Guess:
        """The place moved, scaled and leant to where the pictures correlate best."""
        for target, base in (self.small, (self.target, self.base)):
            place = _drawn(place, target, base)
        return Guess(place, self.likeness(place))


def _soft(picture: Look) -> Look:
    """Without what is finer than two looks can share."""
    return np.asarray(cv2.GaussianBlur(picture, (5, 5), 1.0), np.float32)


def guesses(base: Opened, judge: Judge) -> Iterator[Guess]:
    """Places, as long as they are asked for."""
    pair = _Pair(base, judge)
    best: list[Guess] = []
    for search in (_hinted, _whole_frames, _pieces, _scaled_pieces, _matched):
        found = sorted(search(pair, judge.hint), key=lambda guess: -guess.likeness)[:_KEPT]
        near = sorted((pair.drawn(guess.place) for guess in found), key=lambda guess: -guess.likeness)
        for guess in near:
            if guess.likeness >= SURE:
                yield guess
            else:
                best.append(guess)
    yield from sorted((guess for guess in best if guess.likeness >= LEAST), key=lambda guess: -guess.likeness)


def matched(base: Opened, judge: Judge) -> list[Place]:
    """Places that points which look alike agree on, as they are."""
    return [guess.place for guess in _matched(_Pair(base, judge), None)]


def _hinted(pair: _Pair, hint: Place | None) -> Iterator[Guess]:
    """As it was said, of pictures that may have been looked at turned."""
    if hint is None or not np.isfinite(hint).all() or abs(np.linalg.det(hint[:, :2])) < 1e-6:  # noqa: PLR2004 - no area
        return
    for before in FORMS:
        for behind in FORMS:
            place = after(after(before, hint), undone(behind))
            yield Guess(place, pair.likeness(place, is_small=True))


def _whole_frames(pair: _Pair, hint: Place | None) -> Iterator[Guess]:
    """All of the base, turned."""
    del hint
    for form in FORMS:
        yield Guess(form, pair.likeness(form, is_small=True))


def _at_one_scale(base: Opened, judge: Judge) -> tuple[Look, Look]:
    """Both pictures in equal parts of their sizes."""
    shape = Shape(*base.shape())
    side = min(_SHARP_SIDE, max(shape[:2]))
    scale = side / max(shape[:2])
    target = look(judge.reduced, judge.shape, max(1, round(max(judge.shape[:2]) * scale)))
    return target, look(lambda eighths: reduced(base, eighths), shape, side)


def _pieces(pair: _Pair, hint: Place | None) -> Iterator[Guess]:
    """Pieces of the base of the target's size."""
    del hint
    target, whole = pair.sharp
    for form, back in enumerate(FORMS):
        base = _turned(whole, form)
        if min(target.shape) < _LEAST_SIDE or target.shape[0] > base.shape[0] or target.shape[1] > base.shape[1]:
            continue
        guess = _laid_over(target, base)
        yield Guess(after(back, guess.place), guess.likeness)
        if guess.likeness > SURE:
            break


def _laid_over(target: Look, base: Look) -> Guess:
    """Where in the base the target looks most alike as it is."""
    _, likeness, _, (left, top) = cv2.minMaxLoc(cv2.matchTemplate(base, target, cv2.TM_CCOEFF_NORMED))
    (height, width), (rows, cols) = base.shape, target.shape
    return Guess(np.array([[cols / width, 0, left / width], [0, rows / height, top / height]]), likeness)


def _scaled_pieces(pair: _Pair, hint: Place | None) -> Iterator[Guess]:
    """Pieces of the base of the target's proportions, unturned; in other forms where that finds nothing."""
    del hint
    upright = list(_pieces_of_form(pair, 0))
    yield from upright
    if max((pair.likeness(guess.place) for guess in upright), default=0.0) < SURE - 0.1:
        for form in range(1, len(FORMS)):
            yield from _pieces_of_form(pair, form)


def _pieces_of_form(pair: _Pair, form: int) -> Iterator[Guess]:
    base = _turned(shrunk(pair.base, _TEMPLATE_SIDE), form)
    rows, cols = pair.target.shape
    scale = min(base.shape[0] / rows, base.shape[1] / cols)
    found = []
    while min(rows, cols) * scale >= _LEAST_TEMPLATE and scale > base.shape[0] / rows / 12:
        size = max(1, int(cols * scale)), max(1, int(rows * scale))
        piece = cv2.resize(pair.target, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        guess = _laid_over(np.asarray(piece, np.float32), base)
        found.append(Guess(after(FORMS[form], guess.place), guess.likeness))
        scale *= _SCALE_STEP
    yield from sorted(found, key=lambda guess: -guess.likeness)[:_KEPT]


def _turned(picture: Look, form: int) -> Look:
    picture = picture.T if form & 1 else picture
    picture = picture[:, ::-1] if form & 2 else picture
    return np.ascontiguousarray(picture[::-1] if form & 4 else picture)


def _matched(pair: _Pair, hint: Place | None) -> Iterator[Guess]:
    """By points that look alike, the base plain and mirrored."""
    del hint
    sift = cv2.SIFT.create(_N_POINTS)
    target = _enlarged(pair.target)
    points, described = sift.detectAndCompute(target, None)
    for form in (0, 2):
        base = _enlarged(_turned(pair.base, form))
        others, known = sift.detectAndCompute(base, None)
        if min(len(points), len(others)) < _MIN_MATCHES:
            continue
        pairs = cv2.BFMatcher().knnMatch(described, known, k=2)
        good = [first for first, second in pairs if first.distance < _MATCHING * second.distance]
        if len(good) < _MIN_MATCHES:
            continue
        here = np.array([points[match.queryIdx].pt for match in good])
        there = np.array([others[match.trainIdx].pt for match in good])
        matrix, agree = cv2.estimateAffine2D(here, there, method=cv2.RANSAC, ransacReprojThreshold=4.0)
        if np.count_nonzero(agree) >= _MIN_MATCHES:
            place = after(FORMS[form], unscaled(np.asarray(matrix, np.float64), target.shape, base.shape))
            yield Guess(place, pair.likeness(place))


def _enlarged(picture: Look) -> Look:
    """As points are found best: 8 bits, not too small."""
    rows, cols = picture.shape
    scale = max(1.0, 2 * _SIDE / max(rows, cols))
    bits = np.clip(picture, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(bits, (round(cols * scale), round(rows * scale)), interpolation=cv2.INTER_CUBIC))


def _drawn(place: Place, target: Look, base: Look) -> Place:
    """The place where the correlation coefficient is highest nearby, as it was where that is not found."""
    if min(*target.shape, *base.shape) < 8:  # noqa: PLR2004 - too little to lean on
        return place
    matrix = scaled(place, target.shape, base.shape).astype(np.float32)
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _TURNS, 1e-5)
    try:
        _, found = cv2.findTransformECC(target, base, matrix, cv2.MOTION_AFFINE, until, np.full(base.shape, 255, np.uint8), 5)
    except cv2.error:
        return place
    return unscaled(np.asarray(found, np.float64), target.shape, base.shape)
