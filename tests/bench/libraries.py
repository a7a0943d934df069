"""What is backed up while it is measured: pictures, bytes that nothing can shrink, and very many small files."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.fakes.pictures import jpeg

MB = 10**6
GB = 10**9


def drawn_library(folder: Path, *, n_pictures: int = 48) -> Path:
    """Drawn photographs of about 2 MB, with some exact copies and sidecars, as libraries have them."""
    for n in range(n_pictures):
        place = folder / f"{2015 + n % 8}"
        place.mkdir(parents=True, exist_ok=True)
        picture = jpeg(n, (3000, 2000), quality=92)
        (place / f"img-{n:04}.jpg").write_bytes(picture)
        (place / f"img-{n:04}.xmp").write_text(f"<xmp><rating>{n % 6}</rating></xmp>\n" * 40)
        if n % 8 == 0:
            (folder / "copies").mkdir(exist_ok=True)
            (folder / "copies" / f"img-{n:04} (1).jpg").write_bytes(picture)
    return folder


def incompressible(folder: Path, *, n_bytes: int, file_bytes: int = 16 * MB) -> Path:
    """Files of random bytes."""
    folder.mkdir(parents=True)
    rng = random.Random(7)
    for n in range(max(1, n_bytes // file_bytes)):
        (folder / f"{n:05}.bin").write_bytes(rng.randbytes(file_bytes))
    return folder


def many_files(folder: Path, *, n_files: int) -> Path:
    """Small files, a hundred in a directory, of a thousand different contents."""
    for n in range(n_files):
        if n % 100 == 0:
            place = folder / f"{n // 10_000:03}" / f"{n // 100:05}"
            place.mkdir(parents=True)
        fd = os.open(place / f"{n:07}.txt", os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(fd, b"%d\n" % (n % 1000) * 20)
        os.close(fd)
    return folder
