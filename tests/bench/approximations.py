"""Case `approximations`: how much of a picture a few hundred bytes and its original show, over edits that other programs made.

PSNR over all channels, SSIM of the luma with the window of its authors, both against the edit itself.
"""

from __future__ import annotations

import csv
import random
import statistics
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from common.delta import approximate
from common.delta.opened import Opened
from common.delta.search.seen import grey
from common.errors import ContentError
from common.kernel.pixels import Samples
from tests.bench.measured import Failed
from tests.bench.setting import Figures, Setting

N_OF_EACH = 4
"""Edits of an operation; drawn with a seed."""
_MOST_PSNR = 99.0
_LUMINANCE, _CONTRAST = (0.01 * 255) ** 2, (0.03 * 255) ** 2

Row = Mapping[str, str]


def approximations(setting: Setting) -> Figures:
    """Bytes, PSNR and SSIM of each operation, the medians; and how many had none."""
    if setting.corpus is None:
        raise Failed("needs --corpus")
    files = setting.corpus / "files"
    with (setting.corpus / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    originals = {row["original"]: files / row["path"] for row in rows if row["level"] == "original"}
    by_op: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["level"] in ("format", "transformation"):
            by_op[row["op"]].append(row)
    figures: Figures = {}
    seen: list[tuple[float, float, float]] = []
    for op, edits in sorted(by_op.items()):
        drawn = random.Random(op).sample(edits, min(N_OF_EACH, len(edits)))
        found = [one for row in drawn if (one := _approximated(files / row["path"], originals[row["original"]]))]
        seen += found
        figures[f"{op}_none"] = len(drawn) - len(found)
        figures |= _medians(op, found)
    return figures | _medians("all", seen)


def _medians(name: str, found: list[tuple[float, float, float]]) -> Figures:
    columns = zip(("bytes", "psnr", "ssim"), zip(*found, strict=True), strict=False)
    return {f"{name}_{what}": statistics.median(values) for what, values in columns}


def _approximated(edit: Path, original: Path) -> tuple[float, float, float] | None:
    """Bytes, PSNR, SSIM; None where there is no approximation."""
    target, base = edit.read_bytes(), original.read_bytes()
    try:
        told = approximate.recipe(target, base)
        shown, wanted = approximate.render(told, base), Opened(target).pixels()
    except ContentError:
        return None
    return len(told), psnr(shown, wanted), ssim(shown, wanted)


def psnr(a: Samples, b: Samples) -> float:
    """Of two pictures, in decibels."""
    error = float(np.square(a.astype(np.float64) - b).mean())
    return min(_MOST_PSNR, 10 * float(np.log10(255**2 / error))) if error else _MOST_PSNR


def ssim(a: Samples, b: Samples) -> float:
    """Structural similarity of the lumas, with a Gaussian window of 11 pixels."""
    x, y = grey(a).astype(np.float64), grey(b).astype(np.float64)
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x, variance_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _LUMINANCE) / (mean_x**2 + mean_y**2 + _LUMINANCE)
    structure = (2 * covariance + _CONTRAST) / (variance_x + variance_y + _CONTRAST)
    return float((luminance * structure).mean())


def _blurred(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(picture, (11, 11), 1.5), np.float64)
