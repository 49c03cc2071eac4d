#!/usr/bin/env python3
"""Writes formats/: one small picture per pixel layout and container, and beside each what PIL makes of it, as NAME.rgb.png.

    python3 -m venv v && v/bin/pip install pillow==13.0.0 numpy && v/bin/python make_formats.py

Expected: upright (EXIF), convert("RGB"). One deliberate difference: 16-bit grey by its high byte (PIL cuts it off at 255).
The smooth picture keeps the lossy decoders' differences small; lossless ones must be equal.
"""
import os, struct, zlib
import numpy as np
from PIL import Image, ImageOps

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "formats")
W, H = 40, 24
y, x = np.mgrid[0:H, 0:W]
RGB = np.stack([x * 6 + 5, y * 10 + 3, 255 - (x * 3 + y * 5)], 2).astype(np.uint8)
GREY = (x * 4 + y * 3).astype(np.uint8)
ALPHA = (((x // 5 + y // 4) % 3) * 127).astype(np.uint8)


def png(name, depth, colour_type, samples):
    """A PNG that PIL itself cannot write: samples [H, W(, channels)] of 16 bits, or packed rows of bytes."""
    raw = samples.astype(">u2").tobytes() if depth == 16 else samples.tobytes()
    stride = len(raw) // H
    rows = b"".join(b"\0" + raw[i * stride:(i + 1) * stride] for i in range(H))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, depth, colour_type, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def main():
    os.makedirs(OUT, exist_ok=True)
    for old in os.listdir(OUT):
        os.remove(os.path.join(OUT, old))
    rgb, grey = Image.fromarray(RGB), Image.fromarray(GREY)
    rgba = Image.fromarray(np.dstack([RGB, ALPHA]))
    la = Image.merge("LA", [grey, Image.fromarray(ALPHA)])
    palette = rgb.quantize(16)
    save = lambda image, name, **options: image.save(os.path.join(OUT, name), **options)

    save(grey, "grey8.png"), save(la, "grey8_alpha.png"), save(rgba, "rgba8.png")
    save(palette, "palette4.png"), save(palette, "palette_transparent.png", transparency=3), save(rgb.quantize(200), "palette8.png")
    save(grey.convert("1"), "bits1.png")
    for depth, levels in ((2, 4), (4, 16)):
        values = (GREY.astype(int) * levels // 256).astype(np.uint8)
        per_byte = 8 // depth
        packed = sum(values[:, i::per_byte] << (8 - depth * (i + 1)) for i in range(per_byte)).astype(np.uint8)
        png(f"grey{depth}.png", depth, 0, packed)
    wide = lambda a: a.astype(np.uint16) * 251 + 77
    png("grey16.png", 16, 0, wide(GREY)), png("grey16_alpha.png", 16, 4, np.dstack([wide(GREY), wide(ALPHA)]))
    png("rgb16.png", 16, 2, wide(RGB)), png("rgba16.png", 16, 6, np.dstack([wide(RGB), wide(ALPHA)]))

    save(grey, "grey.jpg", quality=95), save(rgb, "420.jpg", quality=95, subsampling=2), save(rgb, "444.jpg", quality=95, subsampling=0)
    save(rgb, "progressive.jpg", quality=95, progressive=True), save(rgb.convert("CMYK"), "cmyk.jpg", quality=95)
    write_ycck(rgb)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(rgb, f"exif{orientation}.jpg", quality=95, subsampling=0, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    save(rgb, "exif6.png", exif=exif), save(rgb, "exif6.webp", lossless=True, exif=exif), save(rgb, "exif6.tif", exif=exif)

    save(palette, "palette.gif"), save(palette, "transparent.gif", transparency=3)
    save(palette, "animated.gif", save_all=True, append_images=[palette.rotate(180)], duration=100)
    save(grey, "grey.gif"), save(palette, "interlaced.gif", interlace=1)

    save(rgb, "rgb.bmp"), save(grey, "grey.bmp"), save(palette, "palette.bmp"), save(grey.convert("1"), "bits1.bmp"), save(rgba, "rgba.bmp")

    save(rgb, "rgb.tif"), save(rgb, "lzw.tif", compression="tiff_lzw"), save(rgb, "deflate.tif", compression="tiff_adobe_deflate")
    save(grey, "grey.tif"), save(rgba, "rgba.tif"), save(palette, "palette.tif"), save(grey.convert("1"), "bits1.tif")
    save(rgb.convert("CMYK"), "cmyk.tif"), save(Image.fromarray(wide(GREY)), "grey16.tif"), save(rgb, "jpeg.tif", compression="jpeg", quality=95)

    save(rgb, "lossless.webp", lossless=True), save(rgb, "lossy.webp", quality=95), save(rgba, "alpha.webp", lossless=True, exact=True)
    save(rgb, "animated.webp", lossless=True, save_all=True, append_images=[rgb.rotate(180)], duration=100)

    for name in sorted(os.listdir(OUT)):
        image = ImageOps.exif_transpose(Image.open(os.path.join(OUT, name)))
        if image.mode.startswith("I;16"):
            image = Image.fromarray((np.array(image) >> 8).astype(np.uint8))
        image.convert("RGB").save(os.path.join(OUT, name + ".rgb.png"), optimize=True)


def write_ycck(rgb):
    """Adobe's YCCK: the CMYK file's four planes, converted by hand, under an Adobe marker with transform 2."""
    ycc = np.array(rgb.convert("YCbCr"))
    key = np.full((H, W, 1), 200, np.uint8)
    # PIL inverts CMYK on writing; the planes are written as they should lie in the file
    planes = Image.fromarray(255 - np.concatenate([ycc, key], 2), "CMYK")
    path = os.path.join(OUT, "ycck.jpg")
    planes.save(path, quality=95)
    data = bytearray(open(path, "rb").read())
    at = data.index(b"Adobe")
    data[at + 11] = 2
    open(path, "wb").write(data)


if __name__ == "__main__":
    main()
