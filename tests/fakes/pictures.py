"""Pictures drawn at run time from a seed: photo-like enough for codecs to behave as on photos, and their damaged relatives.

Equal seeds and sizes give equal pixels; the bytes of a file also depend on the versions of Pillow and libjpeg.
"""

from __future__ import annotations

import io
import random

from PIL import Image, ImageDraw, ImageFilter

Size = tuple[int, int]

SUBSAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def photo(seed: int, size: Size = (320, 240)) -> Image.Image:
    """An RGB picture with what photos have: smooth light, soft structure at several scales, hard edges, sensor noise."""
    rng = random.Random(seed)
    picture = Image.merge("RGB", [_light(rng, size) for _ in range(3)])
    _draw_edges(rng, picture)
    picture = picture.filter(ImageFilter.GaussianBlur(0.8))
    noise = Image.merge("RGB", [_noise(rng, size, cells=max(size))] * 3)
    return Image.blend(picture, noise, 0.05)


def jpeg(
    seed: int,
    size: Size = (320, 240),
    *,
    quality: int = 85,
    progressive: bool = False,
    subsampling: str = "4:2:0",
    grey: bool = False,
    exif: bytes = b"",
) -> bytes:
    """A JPEG of `photo`; `exif` is a whole EXIF block, as `exif_block` makes."""
    return jpeg_of(
        photo(seed, size).convert("L") if grey else photo(seed, size),
        quality=quality,
        progressive=progressive,
        subsampling=subsampling,
        exif=exif,
    )


def jpeg_of(
    picture: Image.Image, *, quality: int = 85, progressive: bool = False, subsampling: str = "4:2:0", exif: bytes = b""
) -> bytes:
    """A JPEG of any picture."""
    file = io.BytesIO()
    chroma = {} if picture.mode == "L" else {"subsampling": SUBSAMPLING[subsampling]}
    picture.save(file, "JPEG", quality=quality, progressive=progressive, optimize=progressive, exif=exif, **chroma)
    return file.getvalue()


def cmyk_jpeg(seed: int, size: Size = (320, 240)) -> bytes:
    """A JPEG of four colours, which lepton does not take."""
    file = io.BytesIO()
    photo(seed, size).convert("CMYK").save(file, "JPEG", quality=85)
    return file.getvalue()


def png(seed: int, size: Size = (320, 240)) -> bytes:
    """A PNG of `photo`."""
    file = io.BytesIO()
    photo(seed, size).save(file, "PNG")
    return file.getvalue()


def exif_block(*, make: str = "Lamda", model: str = "L-1", taken: str = "2021:05:01 12:30:00", orientation: int = 1) -> bytes:
    """An EXIF block as cameras write it."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132], exif[0x0112] = make, model, taken, orientation
    return exif.tobytes()


def arithmetic(content: bytes) -> bytes:
    """A JPEG whose frame header claims arithmetic coding (SOF9), which hardly any decoder knows."""
    at = next(content.find(bytes((0xFF, frame))) for frame in (0xC0, 0xC1, 0xC2) if bytes((0xFF, frame)) in content)
    return content[: at + 1] + b"\xc9" + content[at + 2 :]


def cut(content: bytes, *, keep: float = 0.6) -> bytes:
    """The first part of a file, as an interrupted copy leaves it."""
    return content[: int(len(content) * keep)]


def flipped(content: bytes, seed: int, *, n_bytes: int = 1) -> bytes:
    """A file with some bytes changed to something else, none of them in its first four."""
    rng = random.Random(seed)
    changed = bytearray(content)
    for at in rng.sample(range(4, len(content)), n_bytes):
        changed[at] ^= rng.randrange(1, 256)
    return bytes(changed)


def with_trailer(content: bytes, trailer: bytes) -> bytes:
    """A file with other bytes after its end, as phones append short films."""
    return content + trailer


def _light(rng: random.Random, size: Size) -> Image.Image:
    channel = _noise(rng, size, cells=3)
    for cells, weight in ((8, 0.35), (24, 0.25), (80, 0.15)):
        channel = Image.blend(channel, _noise(rng, size, cells=cells), weight)
    return channel


def _noise(rng: random.Random, size: Size, *, cells: int) -> Image.Image:
    """Random grey values on a grid of `cells` along the longer side, smoothly enlarged."""
    longer = max(size)
    grid = tuple(max(1, min(side, side * cells // longer)) for side in size)
    small = Image.frombytes("L", (grid[0], grid[1]), rng.randbytes(grid[0] * grid[1]))
    return small if small.size == size else small.resize(size, Image.Resampling.BICUBIC)


def _draw_edges(rng: random.Random, picture: Image.Image) -> None:
    draw = ImageDraw.Draw(picture)
    width, height = picture.size
    for _ in range(6):
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        corners = [(rng.randrange(width), rng.randrange(height)) for _ in range(3)]
        draw.polygon(corners, fill=colour)
    for _ in range(6):
        (x0, x1), (y0, y1) = sorted(rng.choices(range(width), k=2)), sorted(rng.choices(range(height), k=2))
        draw.ellipse((x0, y0, x1, y1), outline=(rng.randrange(256),) * 3, width=2)
