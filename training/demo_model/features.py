"""Features of the frozen image tower for several views of every picture, made once."""
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from . import dino, pictures

VIEWS = 3
BATCH = 128


def make_features(work: Path, side: int, seed: int) -> None:
    """Writes `features.npz`: [pictures, views, 384] f16, unit length, and `captions.txt` with one line a picture."""
    found = pictures.all_pictures(work)
    vision = tower(work, side)
    rows = np.empty((len(found), VIEWS, dino.WIDTH), np.float16)
    for index in range(VIEWS):
        for start in range(0, len(found), BATCH):
            batch = [view(p.image, index, random.Random(f"{seed} {index} {p.key}"), side) for p in found[start:start + BATCH]]
            rows[start:start + BATCH, index] = encode(vision, batch)
        print(f"view {index + 1} of {VIEWS}", flush=True)
    np.savez(work / "features.npz", rows=rows, sources=np.array([p.source for p in found]))
    lines = ["\t".join((p.source, p.key, *p.captions)) for p in found]
    (work / "captions.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def tower(work: Path, side: int):
    """CLIP's vision tower with DINOv2's weights."""
    from transformers import CLIPModel

    vision = CLIPModel(dino.config(side)).vision_model.eval()
    dino.transplant(vision, dino.weights(work / "sources/dinov2"), side)
    return vision


@torch.no_grad()
def encode(vision, batch: list[Image.Image]) -> np.ndarray:
    """Unit features [n, 384] of RGB pictures that have the tower's size."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rows = vision(pixels(batch)).pooler_output.float()
    return torch.nn.functional.normalize(rows, dim=-1).numpy()


def pixels(batch: list[Image.Image]) -> torch.Tensor:
    """CLIP's normalised input [n, 3, side, side]."""
    stacked = torch.from_numpy(np.stack([np.asarray(image) for image in batch])).permute(0, 3, 1, 2).float() / 255
    return (stacked - dino.CLIP_MEAN.view(-1, 1, 1)) / dino.CLIP_STD.view(-1, 1, 1)


def view(image: Image.Image, view: int, chance: random.Random, side: int) -> Image.Image:
    """View 0 lies whole on white; the others are moved, scaled, mirrored and laid on grounds of many kinds."""
    if view == 0:
        return on_ground(image, Image.new("RGB", (side, side), "white"), 0.9, 0.5, 0.5)
    if chance.random() < 0.5:
        image = image.transpose(Image.FLIP_LEFT_RIGHT)
    if chance.random() < 0.3:
        image = image.rotate(chance.uniform(-20, 20), Image.BICUBIC, expand=True)
    return on_ground(image, _ground(chance, side), chance.uniform(0.55, 1.3), chance.random(), chance.random())


def on_ground(image: Image.Image, ground: Image.Image, scale: float, left: float, top: float) -> Image.Image:
    """The picture on its ground, its longer side `scale` of the ground's; `left` and `top` share out the free space."""
    side = ground.width
    ratio = scale * side / max(image.size)
    size = [max(1, round(length * ratio)) for length in image.size]
    image = image.resize(size, Image.BICUBIC)
    ground.paste(image, (round((side - size[0]) * left), round((side - size[1]) * top)), image)
    return ground


def _ground(chance: random.Random, side: int) -> Image.Image:
    """White, a plain colour, a gradient, or soft noise such as a wall or a lawn out of focus."""
    kind = chance.random()
    colour = lambda: tuple(chance.randrange(256) for _ in range(3))
    if kind < 0.25:
        return Image.new("RGB", (side, side), "white")
    if kind < 0.5:
        return Image.new("RGB", (side, side), colour())
    cells = 2 if kind < 0.7 else chance.choice((4, 8, 16))
    noise = Image.new("RGB", (cells, cells))
    noise.putdata([colour() for _ in range(cells * cells)])
    noise = noise.resize((side, side), Image.BICUBIC)
    return noise.filter(ImageFilter.GaussianBlur(chance.uniform(0, 3)))
