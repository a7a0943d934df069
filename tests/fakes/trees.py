"""Small libraries made at run time: pictures, copies, odd names, links; and edits as a busy person makes them.

Equal seeds give equal trees, up to what the disk's clock stamps on them.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.fakes import pictures

LINKS = 560
"""More than two batches of the source's intake."""


def write_library(folder: Path, *, seed: int = 1, n_photos: int = 12) -> None:
    """About forty paths: photos, exact copies, a photo twice, damaged photos, text, noise, odd names, links, a folder."""
    rng = random.Random(seed)
    (folder / "2026/raw").mkdir(parents=True)
    (folder / "empty").mkdir()
    for n in range(n_photos):
        (folder / f"2026/photo-{n}.jpg").write_bytes(pictures.jpeg(seed * 100 + n, (96 + 16 * n, 80), quality=70 + n))
    first = (folder / "2026/photo-0.jpg").read_bytes()
    (folder / "2026/copy of photo-0.jpg").write_bytes(first)
    for quality in (90, 60):
        (folder / f"2026/again-{quality}.jpg").write_bytes(pictures.jpeg(seed * 100 + 60, quality=quality))
    (folder / "cut.jpg").write_bytes(pictures.cut(first))
    (folder / "grey.jpg").write_bytes(pictures.jpeg(seed * 100 + 50, (64, 64), grey=True))
    (folder / "drawing.png").write_bytes(pictures.png(seed, (80, 60)))
    for n in range(8):
        (folder / f"2026/raw/noise-{n}.bin").write_bytes(rng.randbytes(rng.randrange(1, 60_000)))
    (folder / "notes.txt").write_text("a line that comes again\n" * 2000)
    (folder / "nothing").write_bytes(b"")
    for name in (b"new\nline", b"not-utf8-\xff\xfe", b"-rf", b"back\\slash", b" leading and trailing ", b"n" * 255):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"odd " + name)
    (folder / "link").symlink_to("2026/photo-1.jpg")
    (folder / "dangling").symlink_to("/nowhere/at/all")
    os.link(folder / "2026/photo-2.jpg", folder / "same file.jpg")


def write_links(folder: Path, n: int = LINKS) -> None:
    """Many paths that bring no content."""
    folder.mkdir()
    for number in range(n):
        (folder / f"link-{number:04}").symlink_to(f"target-{number}")


def edit(folder: Path, rng: random.Random, *, n_edits: int = 3) -> list[str]:
    """Creates, changes, touches, renames or deletes a few files; says what was done."""
    done = []
    for _ in range(n_edits):
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        path = rng.choice(files)
        match rng.randrange(6):
            case 0:
                new = path.with_name(f"new-{rng.randrange(10**6)}.bin")
                new.write_bytes(rng.randbytes(rng.randrange(40_000)))
                done.append(f"created {new.name}")
            case 1:
                path.write_bytes(rng.randbytes(rng.randrange(40_000)))
                done.append(f"changed {path.name}")
            case 2:
                path.chmod(rng.choice([0o600, 0o640, 0o755]))
                done.append(f"chmod {path.name}")
            case 3:
                path.rename(path.with_name(f"moved-{rng.randrange(10**6)}"))
                done.append(f"renamed {path.name}")
            case 4 if len(files) > 15:
                path.unlink()
                done.append(f"deleted {path.name}")
            case _:
                new = path.with_name(f"photo-{rng.randrange(10**6)}.jpg")
                new.write_bytes(pictures.jpeg(rng.randrange(10**6), (96, 64)))
                done.append(f"created {new.name}")
    return done
