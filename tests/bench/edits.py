"""What people do to pictures, by Pillow: enough to ask an index about; tables per operation need a corpus by many tools."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Do = Callable[[Image.Image, random.Random], Image.Image]

FORMAT = "format"
TRANSFORMATION = "transformation"


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing to do, and how the result is written."""

    level: str
    do: Do
    kind: str = "JPEG"
    quality: int = 88

    def apply(self, content: bytes, rng: random.Random) -> bytes:
        """The edited picture as a file. Errors: OSError where the content is no picture."""
        with Image.open(io.BytesIO(content)) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
        target = io.BytesIO()
        options = {} if self.kind in {"PNG", "GIF", "BMP"} else {"quality": self.quality}
        self.do(upright, rng).save(target, self.kind, **options)
        return target.getvalue()


def edited(content: bytes, *, n: int, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """`n` different edits of a picture, each with its level."""
    for name in rng.sample(sorted(EDITS), n):
        yield EDITS[name].level, EDITS[name].apply(content, rng)


def _same(image: Image.Image, _: random.Random) -> Image.Image:
    return image


def _resized(share: float) -> Do:
    return lambda image, _: image.resize((max(1, round(image.width * share)), max(1, round(image.height * share))))


def _within(side: int) -> Do:
    return lambda image, _: image.resize(ImageOps.contain(image, (side, side)).size, Image.Resampling.LANCZOS)


def _cropped(image: Image.Image, rng: random.Random) -> Image.Image:
    width, height = (round(side * rng.choice([0.5, 0.6, 0.7, 0.8, 0.9])) for side in image.size)
    x, y = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.crop((x, y, x + width, y + height))


def _graded(image: Image.Image, rng: random.Random) -> Image.Image:
    return ImageEnhance.Color(_resized(0.7)(_cropped(image, rng), rng)).enhance(1.15)


def _turned(degrees: float) -> Do:
    return lambda image, _: image.rotate(degrees, expand=True, resample=Image.Resampling.BICUBIC)


def _bright(image: Image.Image, rng: random.Random) -> Image.Image:
    return ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(rng.choice([0.85, 1.1, 1.2]))).enhance(1.15)


def _gamma(image: Image.Image, _: random.Random) -> Image.Image:
    return image.point([round(255 * (value / 255) ** 0.8) for value in range(256)] * 3)


def _marked(image: Image.Image, _: random.Random) -> Image.Image:
    at = image.width // 20, image.height * 9 // 10
    ImageDraw.Draw(image).text(at, "(c) example.org 2026", fill=(255, 255, 255), font_size=max(12, image.width // 30))
    return image


def _noisy(image: Image.Image, _: random.Random) -> Image.Image:
    return Image.blend(image, Image.effect_noise(image.size, 60).convert("RGB"), 0.12)


EDITS: Mapping[str, Edit] = MappingProxyType(
    {
        "jpeg_50": Edit(FORMAT, _same, quality=50),
        "jpeg_75": Edit(FORMAT, _same, quality=75),
        "png": Edit(FORMAT, _same, "PNG"),
        "gif": Edit(FORMAT, _same, "GIF"),
        "webp_80": Edit(FORMAT, _same, "WEBP", 80),
        "resize_50": Edit(TRANSFORMATION, _resized(0.5)),
        "resize_25": Edit(TRANSFORMATION, _resized(0.25)),
        "within_800": Edit(TRANSFORMATION, _within(800), quality=80),
        "rotate_90": Edit(TRANSFORMATION, _turned(90)),
        "rotate_180": Edit(TRANSFORMATION, _turned(180)),
        "rotate_3": Edit(TRANSFORMATION, _turned(3)),
        "mirror": Edit(TRANSFORMATION, lambda image, _: ImageOps.mirror(image)),
        "crop": Edit(TRANSFORMATION, _cropped),
        "crop_resize_grade": Edit(TRANSFORMATION, _graded),
        "bright": Edit(TRANSFORMATION, _bright),
        "saturate": Edit(TRANSFORMATION, lambda image, _: ImageEnhance.Color(image).enhance(1.4)),
        "gamma": Edit(TRANSFORMATION, _gamma),
        "grey": Edit(TRANSFORMATION, lambda image, _: ImageOps.grayscale(image)),
        "frame": Edit(TRANSFORMATION, lambda image, _: ImageOps.expand(image, round(0.04 * image.width), "white")),
        "watermark": Edit(TRANSFORMATION, _marked),
        "blur": Edit(TRANSFORMATION, lambda image, _: image.filter(ImageFilter.GaussianBlur(1.5))),
        "sharpen": Edit(TRANSFORMATION, lambda image, _: image.filter(ImageFilter.UnsharpMask(2, 100, 5))),
        "noise": Edit(TRANSFORMATION, _noisy),
    }
)
