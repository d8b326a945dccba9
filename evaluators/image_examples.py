"""Images, kept encoded as they were found (PNG, JPEG, ...), decoded and processed only when a batch is asked
for."""

import hashlib
import io
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import BaseImageProcessor

from greenfront.evaluators.examples import Examples, Indices

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""A model's channels -> PIL's mode."""


class ImageExamples(Examples):
    """N encoded images: `encoded[offsets[i]:offsets[i + 1]]` are the bytes of image i.

    The bytes stay in memory, since every worker needs them and may run on another machine than the files'.
    """

    def __init__(
        self,
        encoded: np.ndarray[Any, np.dtype[np.uint8]],
        offsets: Indices,
        labels: Indices,
        *,
        processor: BaseImageProcessor,
        channels: int,
        tokens: int,
    ) -> None:
        self.encoded = encoded
        self.offsets = offsets
        self.labels = labels
        self.processor = processor
        self.channels = channels
        self.lengths = np.full(len(labels), tokens, dtype=np.int64)

    def batch(self, indices: Indices) -> dict[str, torch.Tensor]:
        """`pixel_values`, (B, C, height, width) float32, as the model's image processor makes them."""
        inputs = self.processor(images=[self.image(int(index)) for index in indices], return_tensors="pt")
        return {"pixel_values": inputs["pixel_values"].float()}

    def image(self, index: int) -> Image.Image:
        """Image `index`, decoded, upright, in the mode of the model's channels."""
        with Image.open(io.BytesIO(self.encoded[self.offsets[index] : self.offsets[index + 1]].tobytes())) as file:
            return ImageOps.exif_transpose(file).convert(MODES[self.channels])

    def subset(self, indices: Indices) -> "ImageExamples":
        """These examples alone, in the order of the indices."""
        pieces = [self.encoded[self.offsets[index] : self.offsets[index + 1]] for index in indices]
        return ImageExamples(
            np.concatenate(pieces) if pieces else self.encoded[:0],
            np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64),
            self.labels[indices],
            processor=self.processor,
            channels=self.channels,
            tokens=int(self.lengths[0]) if len(self) else 0,
        )

    def digest(self) -> bytes:
        """SHA-256 of the encoded images, their lengths and labels."""
        parts = (self.encoded, self.offsets, self.labels)
        return hashlib.sha256(b"".join(hashlib.sha256(part.tobytes()).digest() for part in parts)).digest()
