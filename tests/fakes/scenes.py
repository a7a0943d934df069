"""Pictures that look like something, made with a seed: soft shapes, edges and grain, so that there is something to recognise."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def scene(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """An RGB picture (width, height); another seed is another scene."""
    rng = np.random.default_rng(seed)
    width, height = size
    image = Image.new("RGB", size, tuple(rng.integers(40, 200, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(140):
        x, y = rng.integers(0, width), rng.integers(0, height)
        w, h = rng.integers(width // 60 + 2, width // 6 + 4, 2)
        colour = tuple(rng.integers(0, 256, 3).tolist())
        match rng.integers(0, 3):
            case 0:
                draw.ellipse((x - w, y - h, x + w, y + h), fill=colour)
            case 1:
                draw.rectangle((x - w, y - h, x + w, y + h), fill=colour)
            case _:
                draw.polygon([(x, y - h), (x + w, y + h // 2), (x - w // 2, y + h)], fill=colour)
    soft = image.filter(ImageFilter.GaussianBlur(max(size) / 900))
    grain = rng.normal(0, 5, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The picture as a file of the given Pillow format; JPEGs at quality 90 unless `options` say else."""
    target = io.BytesIO()
    image.save(target, kind, **({"quality": 90} if kind == "JPEG" and "quality" not in options else {}), **options)
    return target.getvalue()
