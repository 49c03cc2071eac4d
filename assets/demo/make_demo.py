#!/usr/bin/env python3
"""Rebuild the demo pictures from Debian's openclipart-png package, as SOURCES.tsv names them.

    apt-get download openclipart-png        (version 1:0.18+dfsg-19 was used)
    dpkg -x openclipart-png_*.deb openclipart
    make_demo.py openclipart/usr/share/openclipart/png

Each picture is cropped to what is not transparent, laid on white, fitted into a square of 288 pixels
with a margin of 14, and written as JPEG without metadata. Needs Pillow (13.0 was used; another version may differ
by a grey level here and there).
"""
import csv
import hashlib
import sys
from pathlib import Path

from PIL import Image

SIDE = 288
MARGIN = 14
QUALITY = 85
HERE = Path(__file__).resolve().parent


def on_white(path):
    """The opaque part of a picture on a white ground, RGB."""
    image = Image.open(path).convert("RGBA")
    box = image.getchannel("A").getbbox()
    image = image.crop(box) if box else image
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    return ground.convert("RGB")


def square(image):
    """The whole picture in a white square, so that no centre crop cuts it."""
    scale = (SIDE - 2 * MARGIN) / max(image.size)
    size = [max(1, round(side * scale)) for side in image.size]
    image = image.resize(size, Image.LANCZOS)
    ground = Image.new("RGB", (SIDE, SIDE), "white")
    ground.paste(image, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return ground


def main(package):
    Image.MAX_IMAGE_PIXELS = None  # a few originals are larger than Pillow's guard
    with open(HERE / "SOURCES.tsv", newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            source, target = package / row["original"], HERE / row["file"]
            if hashlib.sha256(source.read_bytes()).hexdigest() != row["original_sha256"]:
                sys.exit(f"{source} is not the picture that SOURCES.tsv names: unpack version 1:0.18+dfsg-19 of the package")
            target.parent.mkdir(parents=True, exist_ok=True)
            square(on_white(source)).save(target, quality=QUALITY, optimize=True, subsampling=0)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
