"""A small photo library drawn at run time: what the demonstration replicates where the user names no pictures.

Landscapes with camera-like noise and EXIF in JPEGs of several sizes, and what real libraries hold besides: exact copies,
re-encodings, resized and cropped renditions, a PNG, text, links, a name that is not UTF-8, a sparse file. Seeded: the
same seed draws the same library.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

_SIZES = ((1600, 1200), (1440, 1080), (1200, 1600), (1280, 853))
_PHOTOS = 24
_NOISE_CELLS = (8, 32, 128)
_EXIF_MAKE, _EXIF_MODEL, _EXIF_TIME = 0x010F, 0x0110, 0x0132


def write_sample(directory: Path, *, seed: int = 1) -> None:
    """Draws the library into a directory, made if absent. Takes a few seconds. Errors: OSError."""
    rng = random.Random(seed)  # noqa: S311 - a library that can be drawn again, not a secret
    directory.mkdir(parents=True, exist_ok=True)
    for n in range(_PHOTOS):
        album = directory / f"2026-{1 + n // 8:02d} album"
        album.mkdir(exist_ok=True)
        photo = _draw(rng, size=_SIZES[n % len(_SIZES)])
        original = album / f"IMG_{4000 + n}.jpg"
        exif = Image.Exif()
        exif[_EXIF_MAKE], exif[_EXIF_MODEL] = "Smarter", f"Sample {n % 3}"
        exif[_EXIF_TIME] = f"2026:{1 + n // 8:02d}:{1 + n % 28:02d} 12:{n:02d}:00"
        photo.save(original, quality=rng.choice((85, 90, 94)), exif=exif)
        if n % 6 == 0:
            _write_renditions(directory, photo, original=original)
    _write_others(directory, rng)


def _draw(rng: random.Random, *, size: tuple[int, int]) -> Image.Image:
    """A sky, hills and a sun under noise of several scales, which compress about as a photograph does."""
    width, height = size
    picture = Image.new("RGB", size, (rng.randrange(90, 160), rng.randrange(140, 200), rng.randrange(190, 250)))
    shade = Image.linear_gradient("L").resize(size)
    picture = Image.composite(Image.new("RGB", size, (250, 240, 220)), picture, shade)
    draw = ImageDraw.Draw(picture)
    x, y, radius = rng.randrange(width), rng.randrange(height // 3), height // rng.randrange(10, 20)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 245, 200))
    for layer in range(4):
        base = height * (4 + layer) // 8
        ridge = [(i * width // 12, base + rng.randrange(-height // 10, height // 10)) for i in range(13)]
        green = 60 + 30 * layer + rng.randrange(20)
        draw.polygon([(0, height), *ridge, (width, height)], fill=(40 + 10 * layer, green, 50 + rng.randrange(30)))
    picture = picture.filter(ImageFilter.GaussianBlur(1.2))
    for cells in _NOISE_CELLS:
        small = (cells, max(1, cells * height // width))
        noise = Image.frombytes("RGB", small, rng.randbytes(3 * small[0] * small[1])).resize(size, Image.Resampling.BICUBIC)
        picture = Image.blend(picture, noise, 0.08)
    grain = Image.frombytes("L", (width // 2, height // 2), rng.randbytes((width // 2) * (height // 2)))
    return Image.blend(picture, Image.merge("RGB", [grain.resize(size)] * 3), 0.05)


def _write_renditions(directory: Path, photo: Image.Image, *, original: Path) -> None:
    """What people and programs make of one photo."""
    shared = directory / "shared"
    shared.mkdir(exist_ok=True)
    stem = original.stem
    (shared / original.name).write_bytes(original.read_bytes())
    photo.save(shared / f"{stem}-recoded.jpg", quality=70)
    photo.resize((photo.width // 2, photo.height // 2)).save(shared / f"{stem}-small.jpg", quality=85)
    photo.crop((photo.width // 10, photo.height // 10, photo.width * 9 // 10, photo.height * 9 // 10)).save(
        shared / f"{stem}-crop.jpg"
    )
    ImageEnhance.Brightness(photo).enhance(1.15).save(shared / f"{stem}-bright.jpg", quality=88)


def _write_others(directory: Path, rng: random.Random) -> None:
    """What a library holds besides photos, and what a backup must not lose of them."""
    notes = directory / "notes"
    notes.mkdir(exist_ok=True)
    (notes / "captions.txt").write_text("".join(f"IMG_{4000 + n}: a view of the hills, taken at noon\n" for n in range(_PHOTOS)))
    _draw(rng, size=(400, 300)).save(notes / "map.png")
    (directory / "empty folder").mkdir(exist_ok=True)
    (notes / "newest").symlink_to("../2026-03 album")
    (notes / "captions again.txt").hardlink_to(notes / "captions.txt")
    Path(os.fsdecode(os.fsencode(notes) + b"/caf\xe9.txt")).write_text("a name from an older system\n")
    with (notes / "catalogue.bin").open("wb") as sparse:
        sparse.seek(4 << 20)
        sparse.write(rng.randbytes(4096))
        sparse.truncate(8 << 20)
    (notes / "captions.txt").chmod(0o640)
    # Not every file system has them; the rest of the library shows as much.
    with suppress(OSError):
        os.setxattr(notes / "map.png", "user.rating", b"5")
    os.utime(notes, ns=(1_772_000_000_123_456_789, 1_772_000_000_123_456_789))
