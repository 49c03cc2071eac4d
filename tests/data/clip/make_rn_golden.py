#!/usr/bin/env python3
"""Writes openai_rn_small/: a narrow ModifiedResNet CLIP with OpenAI's names, stored as f16, and its features.

    python3 -m venv v && v/bin/pip install torch clip-anytorch 'setuptools<81' safetensors pillow numpy
    v/bin/python make_rn_golden.py            (made with torch 2, clip-anytorch 2.6)

Width 8, stages of 2, 1, 1 and 1 blocks: a shortcut with and without a stride, and a block without one. Random weights: it
proves the arithmetic. Image features are of ../preprocess/crops.webp, text features of tokens.json; token embeddings that
no text uses are zero, so that the file compresses. Expected numbers come from weights rounded to f16.
"""
import gzip, json, os
import numpy as np, torch
from PIL import Image
from clip.model import CLIP
from safetensors.torch import save, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "openai_rn_small")
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])


def pixels():
    strip = np.asarray(Image.open(os.path.join(HERE, "..", "preprocess", "crops.webp")).convert("RGB"))
    crops = torch.from_numpy(strip.reshape(-1, 224, 224, 3).copy())
    return ((crops.float() / 255 - MEAN) / STD).permute(0, 3, 1, 2)


def model(ids):
    torch.manual_seed(8)
    m = CLIP(embed_dim=32, image_resolution=224, vision_layers=(2, 1, 1, 1), vision_width=8, vision_patch_size=None,
             context_length=77, vocab_size=49408, transformer_width=64, transformer_heads=1, transformer_layers=1).float()
    for key, p in m.named_parameters():
        if "bn" in key or "downsample.1" in key:
            p.data = 1.5 + 0.3 * torch.randn_like(p) if key.endswith("weight") else 0.1 * torch.randn_like(p)
        if "attnpool" in key:  # large enough that different photos give clearly different features
            p.data = torch.randn_like(p) * (0.02 if "positional" in key else 0.04 if ("q_proj" in key or "k_proj" in key) else 0.2 if p.ndim > 1 else 0.01)
    for layer in m.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():  # one training-mode pass gives running statistics that fit the photos
        m.train()
        m.encode_image(pixels())
        m.eval()
        unused = torch.ones(49408, dtype=torch.bool)
        unused[torch.unique(ids)] = False
        m.token_embedding.weight[unused] = 0
        for tensor in list(m.parameters()) + [b for b in m.buffers() if b.is_floating_point()]:
            tensor.data = tensor.data.half().float()
    return m


def main():
    ids = torch.tensor([row["ids"] for row in json.load(open(os.path.join(HERE, "tokens.json")))])
    m = model(ids)
    with torch.no_grad():
        expected = {"image_features": m.encode_image(pixels()), "text_features": m.encode_text(ids)}
    # The causal mask is a buffer of the module but not of its state.
    state = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in m.state_dict().items()}
    state |= {"input_resolution": torch.tensor(224), "context_length": torch.tensor(77), "vocab_size": torch.tensor(49408)}
    os.makedirs(OUT, exist_ok=True)
    with gzip.GzipFile(os.path.join(OUT, "model.safetensors.gz"), "wb", 9, mtime=0) as file:
        file.write(save(state, {"format": "pt"}))
    save_file({k: v.contiguous() for k, v in expected.items()}, os.path.join(OUT, "expected.safetensors"))


if __name__ == "__main__":
    main()
