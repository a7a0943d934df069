"""Cases `whole_jpegs` and `whole_rasters`: what single pictures take without a base, against Lepton and against Zstandard.

Seconds are of CPU; megabytes are of the pictures.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import process_time
from typing import TypeVar

import lepton_jpeg_python
from backports import zstd

from common import delta
from common.delta import METHODS
from common.delta.opened import Opened
from common.errors import ContentError
from common.kernel import mixing
from tests.bench.libraries import MB
from tests.bench.measured import Failed
from tests.bench.setting import Figures, Setting
from tests.fakes.forked import Lost, forked

T = TypeVar("T")

_JPEGS = {".jpg", ".jpeg"}
_RASTERS = {".png", ".bmp", ".tif", ".tiff"}
_STEPS = 64


class _Clock:
    """CPU seconds of what is done by name."""

    def __init__(self) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)

    def of(self, name: str, do: Callable[[], T]) -> T:
        """What it returns."""
        start_s = process_time()
        try:
            return do()
        finally:
            self.spent_s[name] += process_time() - start_s


def whole_jpegs(setting: Setting) -> Figures:
    """The method `jpeg` against Lepton, on files that both take; and the coder of coefficients by itself."""
    return _apart(partial(_jpegs, setting))


def whole_rasters(setting: Setting) -> Figures:
    """PNG, BMP and TIFF files by the best method that needs no base, against Zstandard at its level 19."""
    return _apart(partial(_rasters, setting))


def _apart(case: Callable[[], Figures]) -> Figures:
    """In a process of its own."""
    try:
        figures, _ = forked(case)
    except Lost as error:
        raise Failed(str(error)) from error
    return figures


def _jpegs(setting: Setting) -> Figures:
    method, clock, refused = METHODS["jpeg"], _Clock(), Counter[str]()
    ours, theirs, n_bytes = [], [], 0
    for path, content in _files(setting, _JPEGS):
        try:
            rival = clock.of("lepton_encode", partial(lepton_jpeg_python.compress_bytes, content, {"max_partitions": 1}))
        except RuntimeError:
            refused["by_lepton"] += 1
            continue
        try:
            body = clock.of("encode", partial(method.encode, Opened(content), Opened(b"")))
        except ContentError as error:
            refused[error.reason] += 1
            continue
        back = clock.of("decode", partial(method.decode, body, Opened(b""), size=len(content)))
        if back != content or clock.of("lepton_decode", partial(lepton_jpeg_python.decompress_bytes, rival)) != content:
            raise Failed(f"{path}: other bytes came out")
        _code_coefficients(content, clock)
        ours.append(len(body))
        theirs.append(len(rival))
        n_bytes += len(content)
        print(f"  {path.name:40} {len(content):9} {ours[-1] / theirs[-1]:.4f} of Lepton", file=sys.stderr)
    if not ours:
        raise Failed("no JPEGs that both take")
    shares = [one / other for one, other in zip(ours, theirs, strict=True)]
    figures: Figures = {
        "files": len(ours),
        "ratio": sum(ours) / n_bytes,
        "over_lepton": sum(ours) / sum(theirs),
        "over_lepton_median": statistics.median(shares),
        "over_lepton_worst": max(shares),
    }
    figures |= {f"refused_{reason}": n for reason, n in sorted(refused.items())}
    return figures | {f"{name}_mb_per_s": n_bytes / MB / spent_s for name, spent_s in clock.spent_s.items()}


def _code_coefficients(content: bytes, clock: _Clock) -> None:
    """The coder alone, without a base and with one that is as expected."""
    parsed = Opened(content).proved
    exact = [plane.astype("int32") * _STEPS for plane in parsed.planes]
    coded = clock.of("coder_alone_encode", partial(mixing.encode, parsed.planes, parsed.frame))
    clock.of("coder_alone_decode", partial(mixing.decode, coded, parsed.frame))
    coded = clock.of("coder_given_encode", partial(mixing.encode, parsed.planes, parsed.frame, exact))
    clock.of("coder_given_decode", partial(mixing.decode, coded, parsed.frame, exact))


def _rasters(setting: Setting) -> Figures:
    clock = _Clock()
    n_bytes, n_ours, n_theirs, methods, worst = (defaultdict[str, float](float) for _ in range(5))
    for path, content in _files(setting, _RASTERS):
        kind = path.suffix.lower().strip(".").replace("tiff", "tif")
        made = clock.of("encode", partial(delta.encode_best, content, None))
        if clock.of("decode", partial(delta.decode, made, None)) != content:
            raise Failed(f"{path}: other bytes came out")
        n_bytes[kind] += len(content)
        n_ours[kind] += len(made)
        n_theirs[kind] += min(len(content), len(zstd.compress(content, 19)))
        worst[kind] = max(worst[kind], len(made) / len(content))
        methods[delta.described(made)[0]] += 1
        print(f"  {path.name:40} {len(content):9} {len(made) / len(content):.4f}", file=sys.stderr)
    if not n_bytes:
        raise Failed("no PNG, BMP or TIFF among the pictures")
    figures: Figures = {}
    for kind, whole in sorted(n_bytes.items()):
        figures |= {f"{kind}_ratio": n_ours[kind] / whole, f"{kind}_worst": worst[kind], f"{kind}_zstd": n_theirs[kind] / whole}
    figures |= {f"by_{name}": int(n) for name, n in sorted(methods.items())}
    return figures | {f"{name}_mb_per_s": sum(n_bytes.values()) / MB / spent_s for name, spent_s in clock.spent_s.items()}


def _files(setting: Setting, suffixes: set[str]) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(path for path in setting.library().rglob("*") if path.suffix.lower() in suffixes):
        yield path, path.read_bytes()
