#!/usr/bin/env python3
"""Packs the reference's crops: crops.safetensors and crops96.safetensors of its goldens, as one lossless WebP strip each.

    v/bin/python make_crops.py GOLDENS/preprocess      (pillow, numpy)

The reference is PIL 13's bicubic resize and torchvision's centre crop of the photos beside this file; row i of the strip
is the i-th of: 0.jpg 1.jpg 2_wide.png 3_tall.png 4_gray.png 5_rgba.png 6_palette.png 7_tiny.png 8a_odd.png 8b_odd.png 9_exif.jpg
(the three largest photos are not kept here). 9_exif.jpg has EXIF orientation 6.
"""
import json, os, struct, sys
import numpy as np
from PIL import Image

for name, side in (("crops", 224), ("crops96", 96)):
    data = open(os.path.join(sys.argv[1], name + ".safetensors"), "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header = {k: v for k, v in json.loads(data[8:8 + length]).items() if k != "__metadata__"}
    rows = []
    for key in sorted(header):
        begin, end = header[key]["data_offsets"]
        rows.append(np.frombuffer(data[8 + length + begin:8 + length + end], np.uint8).reshape(side, side, 3))
    strip = Image.fromarray(np.concatenate(rows))
    strip.save(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".webp"), lossless=True, quality=100, method=6)
