"""Looking at pictures in workers: the jobs `glance`, `see` and `compare`, their limits, and what they must not break."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from common.errors import ContentError
from common.ids import digest_of
from common.similarity import first_look, registration, sight
from common.workers import Workers
from tests.fakes.scenes import encoded, scene

FORTY_MEGAPIXELS = (7680, 5208)
LIMIT_BYTES = 600_000_000


@contextmanager
def opened(*contents: bytes) -> Iterator[tuple[int, ...]]:
    """Files with these contents and one to write to, as a job gets them."""
    fds = tuple(os.memfd_create("picture") for _ in (*contents, b""))
    try:
        for fd, content in zip(fds, contents, strict=False):
            os.pwrite(fd, content, 0)
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


async def asked(workers: Workers, job: str, *contents: bytes, digests: tuple[bytes, ...] = ()) -> bytes:
    """What a job writes about pictures."""
    named = {f"digest_{n}": digest_of(content).hex() for n, content in enumerate(digests or contents)}
    with opened(*contents) as fds:
        n_bytes = (await workers.run(job, named, fds=fds, cpu_s=60, wall_s=100))["bytes"]
        assert os.fstat(fds[-1]).st_size == n_bytes
        return os.pread(fds[-1], int(n_bytes), 0)


def test_workers_see_what_this_process_sees() -> None:
    """Nothing of an answer depends on where it was computed."""
    content, other = encoded(scene(41)), encoded(scene(41).rotate(90, expand=True), quality=60)

    async def ask() -> tuple[bytes, bytes, bytes]:
        workers = Workers(1)
        try:
            return (
                await asked(workers, "glance", content),
                await asked(workers, "see", content),
                await asked(workers, "compare", content, other),
            )
        finally:
            await workers.close()

    glanced, looked_at, compared = asyncio.run(ask())
    assert glanced == first_look.to_bytes(first_look.first_look(content))
    assert looked_at == sight.to_bytes(sight.see(content))
    found = registration.from_bytes(compared)
    assert found.kind is registration.Kind.NEAR
    assert np.abs(found.transform - [[0, 1, 0], [-1, 0, 1]]).max() < 0.01


def test_a_file_that_has_changed_is_not_looked_at() -> None:
    """What was seen is kept under the digest, so it must be of that content."""

    async def ask() -> None:
        workers = Workers(1)
        try:
            with pytest.raises(ContentError) as caught:
                await asked(workers, "see", encoded(scene(42)), digests=(b"another",))
            assert caught.value.reason == "changed"
        finally:
            await workers.close()

    asyncio.run(ask())


def test_a_picture_that_no_worker_can_read_stops_no_other() -> None:
    """Hostile bytes cost their own picture only."""
    good = encoded(scene(43))

    async def ask() -> tuple[list[str], bytes]:
        workers = Workers(1)
        reasons = []
        try:
            for bad in (b"", b"no picture", good[:5000], b"\x89PNG\r\n\x1a\n" + bytes(60)):
                with pytest.raises(ContentError) as caught:
                    await asked(workers, "see", bad)
                reasons.append(caught.value.reason)
            return reasons, await asked(workers, "see", good)
        finally:
            await workers.close()

    reasons, seen = asyncio.run(ask())
    assert set(reasons) == {"unsupported", "damaged"}
    assert len(sight.from_bytes(seen).features) > 100


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
        ("PNG", "RGBA", {"compress_level": 1}),
        ("WEBP", "RGB", {"quality": 60, "method": 0}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_forty_megapixels_stay_within_six_hundred_megabytes(kind: str, mode: str, options: dict[str, object]) -> None:
    """Whatever the format: a worker must fit beside others on a small server."""
    large = scene(44, (960, 651)).resize(FORTY_MEGAPIXELS, Image.Resampling.NEAREST).convert(mode)
    file = io.BytesIO()
    large.save(file, kind, **options)
    del large

    async def peak() -> int:
        workers = Workers(1, memory_bytes=LIMIT_BYTES)
        try:
            assert len(sight.from_bytes(await asked(workers, "see", file.getvalue())).features) > 100
            return workers.peak_rss_bytes
        finally:
            await workers.close()

    assert asyncio.run(peak()) < LIMIT_BYTES


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"progressive": True}), ("WEBP", {"quality": 60, "method": 0})])
def test_a_closer_look_at_forty_megapixels_stays_within_them_too(kind: str, options: dict[str, object]) -> None:
    """It sees every pixel, where the others see few of them; a piece is found in so many."""
    large = scene(46, (960, 651)).resize(FORTY_MEGAPIXELS, Image.Resampling.BICUBIC)
    whole = encoded(large, kind, **options)
    piece = encoded(Image.open(io.BytesIO(whole)).convert("RGB").crop((5000, 3000, 5800, 3600)), "PNG")
    del large

    async def ask() -> tuple[bytes, int]:
        workers = Workers(1, memory_bytes=LIMIT_BYTES)
        try:
            return await asked(workers, "compare", whole, piece), workers.peak_rss_bytes
        finally:
            await workers.close()

    compared, peak_bytes = asyncio.run(ask())
    assert registration.from_bytes(compared).kind is registration.Kind.NEAR
    assert peak_bytes < LIMIT_BYTES
