"""Pictures as a source offers them: drawn, encoded, looked at and sketched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from PIL import Image

from common.ids import Digest, digest_of
from common.images.decode import decode
from common.model import Offer, Sketch
from common.similarity import sketch
from common.similarity.features import extract
from tests.fakes.scenes import encoded, scene

SIZE = (960, 640)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture's file and what an offer says of it."""

    content: bytes
    sketch: Sketch

    @property
    def digest(self) -> Digest:
        """Of the file."""
        return digest_of(self.content)

    @property
    def offer(self) -> Offer:
        """As a representative is offered."""
        return Offer(self.digest, len(self.content), self.sketch)

    @property
    def anyway(self) -> Offer:
        """As what is to be sent whatever it looks like is offered."""
        return Offer(self.digest, len(self.content))


@cache
def drawn(seed: int, *, scale: float = 1.0, quarter_turns: int = 0) -> Drawn:
    """A scene of `SIZE`, resized and turned; the same seed is the same scene."""
    picture = scene(seed, SIZE)
    picture = picture.resize((round(SIZE[0] * scale), round(SIZE[1] * scale)), Image.Resampling.LANCZOS)
    content = encoded(picture.rotate(90 * quarter_turns, expand=True), "JPEG")
    features = extract(decode(content).grey)
    return Drawn(content, Sketch(sketch.to_bytes(features), len(features), picture.width * picture.height, n_metadata=0))
