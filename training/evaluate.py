#!/usr/bin/env python3
"""Judges the finished model on folders of photos that training never saw: `support/CLASS/*` and `pool/CLASS/*`.

    venv/bin/python evaluate.py DATA --work /somewhere

Prints, for 16 shots a class drawn with three seeds, nearest class mean and Tip-Adapter (α and β by leaving one out of the
support set) with the model's features and with DINOv2 ViT-S/14's own at the same resolution, and zero-shot. Tip-Adapter is
given with the text and without it, as for class names that mean nothing.
"""
import argparse
import json
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from safetensors import safe_open

from demo_model import dino, features, tokens

MODEL = Path(__file__).resolve().parents[1] / "assets/demo-model"
ALPHAS = [0.0, *(10 ** (-2 + step / 6) for step in range(25))]
BETAS = sorted([5.5, *(0.1 * 500 ** (step / 26) for step in range(27))])


def load():
    """The embedded model, its rows of i8 as numbers again."""
    from transformers import CLIPConfig, CLIPModel

    clip = CLIPModel(CLIPConfig.from_pretrained(MODEL))
    with safe_open(str(MODEL / "model-int8.safetensors"), "pt") as stored:
        state = {name: stored.get_tensor(name).float() for name in stored.keys() if not name.endswith(".scale")}
        for name in list(state):
            if name + ".scale" in stored.keys():
                scale = stored.get_tensor(name + ".scale")
                state[name] = state[name] * scale.view(-1, *[1] * (state[name].ndim - 1))
    clip.load_state_dict(state)
    return clip.eval()


def photos(root: Path):
    """Files and classes, in order of their names."""
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    return files, [path.relative_to(root).parts[0] for path in files]


def crop(path: Path, side: int) -> Image.Image:
    """CLIP's preprocessing up to the numbers."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    short = min(image.size)
    size = [side if length == short else int(side * length / short) for length in image.size]
    image = image.resize(size, Image.BICUBIC)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return image.crop((left, top, left + side, top + side))


@torch.no_grad()
def hidden(vision, files, side):
    """Class tokens [n, 384] in f32."""
    rows = [vision(features.pixels([crop(path, side) for path in files[at:at + 64]])).pooler_output for at in range(0, len(files), 64)]
    return torch.cat(rows)


def nearest_class_mean(keys, labels, queries, truth, num_classes, normalise=True):
    """Percent right, mean over classes; class means are scaled to unit length, or keep theirs."""
    means = torch.stack([keys[labels == label].mean(0) for label in range(num_classes)])
    means = F.normalize(means, dim=-1) if normalise else means
    return macro((queries @ means.T).argmax(1), truth, num_classes)


def tip_adapter(keys, labels, queries, truth, zero_keys, zero_queries, num_classes):
    """Percent right with α and β by leaving one out, and the two."""
    values = F.one_hot(labels, num_classes).float()
    count = values.sum(0)
    best = None
    for beta in BETAS:
        cache = torch.exp(-beta * (1 - keys @ keys.T)).fill_diagonal_(0) @ values
        own = torch.arange(len(labels)), labels
        cache[own] *= count[labels] / (count[labels] - 1)
        for alpha in ALPHAS:
            logits = zero_keys + alpha * cache
            score = ((logits.argmax(1) == labels).sum().item(), logits.log_softmax(1)[own].mean().item())
            if best is None or score > best[0]:
                best = (score, alpha, beta)
    _, alpha, beta = best
    logits = zero_queries + alpha * torch.exp(-beta * (1 - queries @ keys.T)) @ values
    return macro(logits.argmax(1), truth, num_classes), alpha, beta


def macro(predicted, truth, num_classes):
    """Mean over classes of the share that is right, percent."""
    return 100 * np.mean([(predicted[truth == label] == label).float().mean().item() for label in range(num_classes)])


@torch.no_grad()
def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="where train.py fetched DINOv2")
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    clip = load()
    side = json.loads((MODEL / "config.json").read_text())["vision_config"]["image_size"]
    (support, support_class), (pool, pool_class) = photos(options.data / "support"), photos(options.data / "pool")
    names = sorted(set(support_class))
    label = lambda classes: torch.tensor([names.index(name) for name in classes])
    truth = label(pool_class)
    tokenizer = tokens.make_tokenizer(options.work)
    ids = tokenizer([f"a photo of a {name}." for name in names], padding=True, return_tensors="pt")
    text = F.normalize(clip.get_text_features(input_ids=ids["input_ids"]), dim=-1)
    project = lambda rows: F.normalize(clip.visual_projection(rows), dim=-1)
    ours = [project(hidden(clip.vision_model, files, side)) for files in (support, pool)]
    original = features.tower(options.work, side)
    theirs = [F.normalize(hidden(original, files, side), dim=-1) for files in (support, pool)]
    print(f"zero-shot {macro((ours[1] @ text.T).argmax(1), truth, len(names)):.1f}")
    names_of = {"ours": (*ours, text), "DINOv2": (*theirs, None)}
    table = {}
    for seed in options.seeds:
        chance = random.Random(seed)
        chosen = [at for name in names for at in chance.sample([i for i, c in enumerate(support_class) if c == name], options.shots)]
        labels = label([support_class[at] for at in chosen])
        for whose, (keys, queries, text_of) in names_of.items():
            scene = (keys[chosen], labels, queries, truth)
            found = judge(scene, text_of, len(names))
            for what, percent in found.items():
                table.setdefault(f"{whose}: {what}", []).append(percent)
    for what, percents in table.items():
        print(f"{what:<45}", *(f"{percent:6.1f}" for percent in percents), f"  mean {np.mean(percents):.1f}")


def judge(scene, text, num_classes):
    """Percent right of each way to use the shots."""
    keys, _, queries, _ = scene
    none = lambda x: torch.zeros(len(x), num_classes)
    found = {
        "nearest class mean, means normalised": nearest_class_mean(*scene, num_classes),
        "nearest class mean, means as they are": nearest_class_mean(*scene, num_classes, normalise=False),
        "Tip-Adapter tuned, class names off": tip_adapter(*scene, none(keys), none(queries), num_classes)[0],
    }
    if text is not None:
        found["Tip-Adapter tuned"] = tip_adapter(*scene, 100 * keys @ text.T, 100 * queries @ text.T, num_classes)[0]
    return found


if __name__ == "__main__":
    main()
