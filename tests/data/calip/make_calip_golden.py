#!/usr/bin/env python3
"""Writes golden.safetensors: CALIP in float64 on the narrow ModifiedResNet of ../clip/openai_rn_small.

    python3 -m venv v && v/bin/pip install torch safetensors pillow numpy
    v/bin/python make_calip_golden.py                           (made with torch 2.5.1)

The image tower is written anew from OpenAI's `clip/model.py` with PyTorch's own convolutions, batch norms and
`multi_head_attention_forward`, every cell of the last feature map asking as in `ZiyuGuo99/CALIP`'s `clip/model.py`; the logits follow
its `run_imagenet.py` at 24eb9686 line by line. Pictures are ../preprocess/crops.webp; texts are random unit rows.
"""
import gzip, os
import numpy as np, torch, torch.nn.functional as F
from PIL import Image
from safetensors.torch import load, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073], dtype=torch.double)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711], dtype=torch.double)
BETA2, BETA3 = 1.12, 0.3
BLOCKS = (2, 1, 1, 1)

torch.set_num_threads(1)
torch.manual_seed(6)
with gzip.open(os.path.join(HERE, "..", "clip", "openai_rn_small", "model.safetensors.gz")) as file:
    W = {k: v.double() for k, v in load(file.read()).items() if v.is_floating_point()}


def pixels():
    strip = np.asarray(Image.open(os.path.join(HERE, "..", "preprocess", "crops.webp")).convert("RGB"))
    crops = torch.from_numpy(strip.reshape(-1, 224, 224, 3).copy())
    return ((crops.double() / 255 - MEAN) / STD).permute(0, 3, 1, 2)


def norm(x, name):
    part = lambda p: W[f"visual.{name}.{p}"]
    return F.batch_norm(x, part("running_mean"), part("running_var"), part("weight"), part("bias"), False, 0.0, 1e-5)


def block(x, name, stride):
    out = F.relu(norm(F.conv2d(x, W[f"visual.{name}.conv1.weight"]), f"{name}.bn1"))
    out = F.relu(norm(F.conv2d(out, W[f"visual.{name}.conv2.weight"], padding=1), f"{name}.bn2"))
    out = F.avg_pool2d(out, stride) if stride > 1 else out
    out = norm(F.conv2d(out, W[f"visual.{name}.conv3.weight"]), f"{name}.bn3")
    if f"visual.{name}.downsample.0.weight" in W:
        x = F.avg_pool2d(x, stride) if stride > 1 else x
        x = norm(F.conv2d(x, W[f"visual.{name}.downsample.0.weight"]), f"{name}.downsample.1")
    return F.relu(out + x)


def tower(x):
    """Tokens after the attention pool, [1 + HW, n, dim]."""
    for i, stride in ((1, 2), (2, 1), (3, 1)):
        x = F.relu(norm(F.conv2d(x, W[f"visual.conv{i}.weight"], stride=stride, padding=1), f"bn{i}"))
    x = F.avg_pool2d(x, 2)
    for stage, count in enumerate(BLOCKS, 1):
        for index in range(count):
            x = block(x, f"layer{stage}.{index}", 2 if stage > 1 and index == 0 else 1)
    x = x.flatten(2).permute(2, 0, 1)
    x = torch.cat([x.mean(0, keepdim=True), x]) + W["visual.attnpool.positional_embedding"][:, None]
    p = {k: W[f"visual.attnpool.{k}"] for k in ("q_proj.weight", "k_proj.weight", "v_proj.weight", "c_proj.weight", "c_proj.bias")}
    bias = torch.cat([W[f"visual.attnpool.{k}_proj.bias"] for k in "qkv"])
    out, _ = F.multi_head_attention_forward(
        x, x, x, x.shape[-1], x.shape[-1] // 64, None, bias, None, None, False, 0, p["c_proj.weight"], p["c_proj.bias"], training=False,
        need_weights=False, use_separate_proj_weight=True, q_proj_weight=p["q_proj.weight"], k_proj_weight=p["k_proj.weight"],
        v_proj_weight=p["v_proj.weight"])
    return out


def calip(feat_global, feat_spatial, feat_t):
    """feat_global [n, dim], feat_spatial [n, dim, HW], feat_t [dim, classes]."""
    logits = []
    for v, s in zip(feat_global, feat_spatial):
        a = s.T @ feat_t * 2
        t_a = s @ F.softmax(a, dim=0)
        v_a = F.softmax(a, dim=1) @ feat_t.T
        v_a = v_a.mean(0) + v_a.max(0)[0]
        logits.append(100.0 * v @ feat_t + BETA2 * 100.0 * v @ t_a + BETA3 * 100.0 * v_a @ feat_t)
    return torch.stack(logits)


def main():
    with torch.no_grad():
        tokens = tower(pixels()).permute(1, 0, 2)
        unit = tokens / tokens.norm(dim=-1, keepdim=True)
        texts = torch.randn(5, unit.shape[-1], dtype=torch.double)
        texts = (texts / texts.norm(dim=-1, keepdim=True)).float().double()
        logits = calip(unit[:, 0], unit[:, 1:].permute(0, 2, 1), texts.T)
    out = {"text": texts, "logits": logits, "parts": tokens[:3, 1:].flatten(0, 1)}
    save_file({k: v.float().contiguous() for k, v in out.items()}, os.path.join(HERE, "golden.safetensors"))
    print(logits[:3], tokens[:, 0].std(0).mean(), unit[0, 1:].std(0).mean())


if __name__ == "__main__":
    main()
