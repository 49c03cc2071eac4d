#!/usr/bin/env python3
"""Trains the demo model and its adapter, stage by stage; each stage leaves its result in the work folder.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python train.py all --work /somewhere        (needs apt-get, dpkg-deb, npm and pip for `fetch`)

fetch      the pinned archives, verified by SHA-256
features   pictures of the archives through the frozen image tower
sentences  phrases through the teacher for words
text       the visual projection, the bridge and the text tower, then the model's files into assets/demo-model
adapter    the demo's bottleneck adapter into assets/demo/demo-adapter.safetensors
all        everything in this order
"""
import argparse
from pathlib import Path

import numpy as np
import torch

from demo_model import adapter, dino, export, features, sentences, sources, tokens, words

HERE = Path(__file__).resolve().parent
SIDE, SEED = 112, 0


def text(work, options):
    """The trained model, written to `assets/demo-model` and kept for the adapter."""
    from transformers import CLIPModel

    torch.manual_seed(SEED)
    clip = CLIPModel(dino.config(SIDE))
    dino.transplant(clip.vision_model, dino.weights(work / "sources/dinov2"), SIDE)
    matrix = words.projection(np.load(work / "features.npz")["rows"])
    with torch.no_grad():
        clip.visual_projection.weight.copy_(matrix)
    bridge = words.train_bridge(work, matrix, options.bridge_steps, SEED)
    words.train_tower(work, clip, matrix, bridge, options.tower_steps, SEED)
    torch.save(clip.state_dict(), work / "clip.pt")
    export.export(clip.eval(), HERE.parent / "assets/demo-model", SIDE)


def train_adapter(work, options):
    """The adapter, on top of the model that `text` left."""
    from transformers import CLIPModel

    clip = CLIPModel(dino.config(SIDE))
    clip.load_state_dict(torch.load(work / "clip.pt"))
    assets = HERE.parent / "assets"
    model, target = assets / "demo-model/model-int8.safetensors", assets / "demo/demo-adapter.safetensors"
    adapter.train(work, clip.eval(), model, target, SIDE, options.adapter_steps, SEED)


STAGES = {
    "fetch": lambda work, _options: sources.fetch_all(work),
    "features": lambda work, _options: features.make_features(work, SIDE, SEED),
    "sentences": lambda work, _options: sentences.make_sentences(work, tokens.whole_words()),
    "text": text,
    "adapter": train_adapter,
}


def main():
    """Runs the stages that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=[*STAGES, "all"])
    parser.add_argument("--work", type=Path, required=True, help="folder for archives and intermediate results (2 GB)")
    parser.add_argument("--bridge-steps", type=int, default=1200)
    parser.add_argument("--tower-steps", type=int, default=1400)
    parser.add_argument("--adapter-steps", type=int, default=400)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    for name, stage in STAGES.items():
        if options.stage in (name, "all"):
            print(f"== {name}", flush=True)
            stage(options.work, options)


if __name__ == "__main__":
    main()
