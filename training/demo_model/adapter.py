"""The demo's bottleneck adapter: trained on the training pictures, never on the demo's own.

As in "CLIP Adaptation by Intra-modal Overlap Reduction" (Kravets and Namboodiri, BMVC 2024): an adapter beside the MLP of
the vision blocks, `Up(ReLU(Down(h)))`, a linear head that is thrown away, cross-entropy. Smaller than the paper's: 48 wide,
and only the last four blocks' adapters learn (the others stay zero), so that what comes before them is computed once.
"""
import random
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from . import dino, features, pictures, refused

BOTTLENECK, SCALE, BATCH, LEARNING_RATE = 48, 1.0, 96, 1e-3
FIRST_BLOCK = 8
SMALLEST_CLASS, VIEWS = 12, 3
# Kinds of things that can be touched; faces, signs, symbols and roles of people look too different within a kind.
THINGS = ("animal", "plant", "food", "drink", "dishware", "transport-ground", "transport-water", "transport-air", "clothing", "hats",
          "musical-instrument", "tool", "household", "place-building", "sport", "phone", "computer", "book-paper", "recreation/toys",
          "containers", "electronics")


class Adapter(torch.nn.Module):
    """`SCALE · Up(ReLU(Down(h)))`, zero at the start."""

    def __init__(self):
        super().__init__()
        self.down_proj = torch.nn.Linear(dino.WIDTH, BOTTLENECK)
        self.up_proj = torch.nn.Linear(BOTTLENECK, dino.WIDTH)
        torch.nn.init.kaiming_uniform_(self.down_proj.weight, a=5 ** 0.5)
        for zero in (self.down_proj.bias, self.up_proj.weight, self.up_proj.bias):
            torch.nn.init.zeros_(zero)

    def forward(self, h):
        return SCALE * self.up_proj(F.relu(self.down_proj(h)))


def attach(vision) -> torch.nn.ModuleList:
    """One adapter per block, beside its MLP, on what comes in before the layer norm."""
    adapters = torch.nn.ModuleList()
    for layer in vision.encoder.layers:
        adapter, seen = Adapter(), {}
        layer.layer_norm2.register_forward_pre_hook(lambda _module, inputs, seen=seen: seen.update(h=inputs[0]))
        layer.mlp.register_forward_hook(lambda _module, _inputs, out, seen=seen, adapter=adapter: out + adapter(seen["h"]))
        adapters.append(adapter)
    return adapters


def classes(found: list[pictures.Picture]) -> tuple[list[int], list[int], int]:
    """Which pictures take part, their class (the kind of thing they show), and how many classes."""
    count = Counter(picture.group for picture in found if picture.group.startswith(THINGS))
    names = sorted(group for group, pictures_of in count.items() if pictures_of >= SMALLEST_CLASS)
    chosen = [at for at, picture in enumerate(found) if picture.group in names]
    return chosen, [names.index(found[at].group) for at in chosen], len(names)


def train(work: Path, clip, model: Path, target: Path, side: int, steps: int, seed: int) -> None:
    """Writes `target` with the authors' tensor names, for the finished model file `model`; every eighth picture only judges."""
    torch.manual_seed(seed)
    clip.requires_grad_(False)
    found = pictures.all_pictures(work)
    chosen, labels, num_classes = classes(found)
    labels = torch.tensor(labels)
    print(f"{len(chosen)} pictures of {num_classes} classes")
    before = _before_adapters(clip.vision_model, [found[at].image for at in chosen], side, seed)
    adapters = attach(clip.vision_model)
    judges, learns = torch.arange(0, len(chosen), 8), torch.tensor([at for at in range(len(chosen)) if at % 8])
    with torch.no_grad():
        unit = _after(clip, before[learns, 0])
        means = torch.stack([unit[labels[learns] == label].mean(0) for label in range(num_classes)])
    # The head starts at the class means of the original features, so that the first steps do not tear them apart.
    head = torch.nn.Parameter(F.normalize(means, dim=-1))
    optimiser = torch.optim.AdamW([*adapters.parameters(), head], lr=LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        if step % 50 == 0:
            _report(step, clip, before[judges, 0], labels[judges])
        at = learns[torch.randint(len(learns), (BATCH,))]
        unit = _after(clip, before[at, torch.randint(VIEWS, (BATCH,))])
        loss = F.cross_entropy(20 * unit @ F.normalize(head, dim=-1).T, labels[at], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 25 == 0:
            print(f"adapter {step}: {loss.item():.3f}", flush=True)
    _report(steps, clip, before[judges, 0], labels[judges])
    write(adapters, target, {
        "format": "pt", "scale": str(SCALE), "base_model_hash": refused.sha256(model), "seed": str(seed), "bottleneck": str(BOTTLENECK),
        "training": f"{len(learns)} pictures of {num_classes} classes (openclipart, Fluent and Noto emoji), {steps} steps of {BATCH}",
    })


@torch.no_grad()
def _before_adapters(vision, images, side, seed):
    """What comes into the first adapted block, [pictures, views, tokens, 384] bf16."""
    rows = torch.empty((len(images), VIEWS, 1 + (side // dino.PATCH) ** 2, dino.WIDTH), dtype=torch.bfloat16)
    for index in range(VIEWS):
        for start in range(0, len(images), 64):
            batch = [features.view(image, index, random.Random(f"{seed} {index} {start + i}"), side) for i, image in enumerate(images[start:start + 64])]
            hidden = vision.pre_layrnorm(vision.embeddings(features.pixels(batch)))
            rows[start:start + 64, index] = _through(vision.encoder.layers[:FIRST_BLOCK], hidden).bfloat16()
    return rows


def _through(layers, hidden):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for layer in layers:
            hidden = layer(hidden, None, None)[0]
    return hidden.float()


def _after(clip, hidden):
    """Unit features [n, 256] of what `_before_adapters` kept."""
    vision = clip.vision_model
    last = _through(vision.encoder.layers[FIRST_BLOCK:], hidden.float())
    return F.normalize(clip.visual_projection(vision.post_layernorm(last[:, 0])), dim=-1)


@torch.no_grad()
def _report(step, clip, hidden, labels):
    """Overlap (100 bins) and AUROC of the pictures that only judge."""
    rows = torch.cat([_after(clip, part) for part in hidden.split(64)])
    left, right = torch.triu_indices(len(rows), len(rows), 1)
    cosines, same = (rows @ rows.T)[left, right], labels[left] == labels[right]
    paired, unpaired = (torch.histc(cosines[which], 100, -1, 1) / which.sum() for which in (same, ~same))
    ranks = cosines.argsort().argsort().double()
    auroc = (ranks[same].mean() - (same.sum() - 1) / 2) / (~same).sum()
    print(f"judged at {step}: overlap {torch.minimum(paired, unpaired).sum():.3f}, AUROC {auroc:.3f}", flush=True)


def write(adapters, target: Path, metadata: dict[str, str]) -> None:
    """The authors' names, f16; blocks before the first that learnt are left out."""
    tensors = {
        f"visual.transformer.resblocks.{index}.adaptmlp.{name}": tensor.detach().half().contiguous()
        for index, adapter in enumerate(adapters)
        if index >= FIRST_BLOCK
        for name, tensor in adapter.state_dict().items()
    }
    save_file(tensors, str(target), metadata=metadata)
