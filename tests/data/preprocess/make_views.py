#!/usr/bin/env python3
"""Views of some of these photos as torchvision's resized_crop cuts them on PIL images: crop, bicubic resize to 96 x 96, mirror.

    python make_views.py        (Pillow 13.0.0)

Writes views.webp, one lossless strip; its rows are VIEWS in their order: photo, left, top, width, height, mirrored.
"""
import os
from PIL import Image

VIEWS = [
    ("0.jpg", 31, 17, 150, 130, False),
    ("0.jpg", 200, 300, 101, 123, True),
    ("1.jpg", 10, 20, 300, 390, True),
    ("3_tall.png", 3, 40, 61, 80, False),
    ("7_tiny.png", 0, 1, 2, 2, True),
]
SIDE = 96
here = os.path.dirname(os.path.abspath(__file__))
strip = Image.new("RGB", (SIDE, SIDE * len(VIEWS)))
for row, (name, left, top, width, height, is_mirrored) in enumerate(VIEWS):
    photo = Image.open(os.path.join(here, name)).convert("RGB")
    assert left + width <= photo.width and top + height <= photo.height, (name, photo.size)
    view = photo.crop((left, top, left + width, top + height)).resize((SIDE, SIDE), Image.BICUBIC)
    if is_mirrored:
        view = view.transpose(Image.FLIP_LEFT_RIGHT)
    strip.paste(view, (0, SIDE * row))
strip.save(os.path.join(here, "views.webp"), lossless=True, quality=100, method=6)
