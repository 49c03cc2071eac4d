#!/usr/bin/env python3
"""Writes golden.safetensors: CoOp in float64 on the text tower of ../clip/openai_vit, written from the paper and the formulas alone.

    python3 -m venv v && v/bin/pip install torch safetensors numpy
    v/bin/python make_coop_golden.py                            (made with torch 2.5.1)

Three classes, ten photos (random unit features around the classes' texts), all of them in every step, 40 epochs of the
published schedule: 1e-5 in the first, then 0.5 · 2e-3 · (1 + cos(pi · (epoch - 1) / 40)); momentum 0.9, decay 5e-4.
`words` starts from "a photo of a", `numbers` from six vectors that are written with it. In `words` the whole prompt goes
through the tower, padded to 77 tokens, as in the authors' code; nothing is shared between classes.
"""
import gzip, math, os
import torch
from safetensors.torch import load, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
EPOCHS, LR, WARM_UP, MOMENTUM, DECAY = 40, 2e-3, 1e-5, 0.9, 5e-4
START, END, STOP = 49406, 49407, 269
NAMES = {"cat": [2368], "dog": [1929], "satellite photo": [10316, 1125]}  # ids of ../clip/tokens.json
A_PHOTO_OF_A = [320, 1125, 539, 320]

torch.set_num_threads(1)
torch.manual_seed(4)
with gzip.open(os.path.join(HERE, "..", "clip", "openai_vit", "model.safetensors.gz")) as file:
    W = {k: v.double() for k, v in load(file.read()).items() if v.is_floating_point()}
BLOCKS = 1 + max(int(k.split(".")[2]) for k in W if k.startswith("transformer."))
WIDTH = W["ln_final.weight"].shape[0]
HEADS = WIDTH // 64


def norm(x, name):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * W[name + ".weight"] + W[name + ".bias"]


def attention(x, name):
    n, t, w = x.shape
    qkv = x @ W[name + ".in_proj_weight"].T + W[name + ".in_proj_bias"]
    q, k, v = (part.reshape(n, t, HEADS, w // HEADS).transpose(1, 2) for part in qkv.split(w, -1))
    scores = q @ k.transpose(-1, -2) / math.sqrt(w // HEADS)
    scores = scores.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), float("-inf"))
    out = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, w)
    return out @ W[name + ".out_proj.weight"].T + W[name + ".out_proj.bias"]


def tower(x, ends):
    x = x + W["positional_embedding"]
    for i in range(BLOCKS):
        name = f"transformer.resblocks.{i}"
        x = x + attention(norm(x, name + ".ln_1"), name + ".attn")
        h = norm(x, name + ".ln_2") @ W[name + ".mlp.c_fc.weight"].T + W[name + ".mlp.c_fc.bias"]
        x = x + (h * torch.sigmoid(1.702 * h)) @ W[name + ".mlp.c_proj.weight"].T + W[name + ".mlp.c_proj.bias"]
    return norm(x[torch.arange(len(ends)), ends], "ln_final") @ W["text_projection"]


def texts(context):
    rows, ends = [], []
    for ids in NAMES.values():
        tail = torch.tensor(ids + [STOP, END])
        pad = torch.zeros(77 - 1 - len(context) - len(tail), dtype=torch.long)
        embed = W["token_embedding.weight"]
        rows.append(torch.cat([embed[START][None], context, embed[tail], embed[pad]]))
        ends.append(len(context) + len(tail))
    return tower(torch.stack(rows), torch.tensor(ends))


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def train(start, x, y):
    context = torch.nn.Parameter(start.clone())
    optimiser = torch.optim.SGD([context], lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
    losses = []
    for epoch in range(EPOCHS):
        rate = WARM_UP if epoch == 0 else 0.5 * LR * (1 + math.cos(math.pi * (epoch - 1) / EPOCHS))
        optimiser.param_groups[0]["lr"] = rate
        loss = torch.nn.functional.cross_entropy(100 * x @ unit(texts(context)).T, y)
        optimiser.zero_grad()
        loss.backward()
        if epoch == 0:
            gradient = context.grad.clone()
        optimiser.step()
        losses.append(loss.item())
    with torch.no_grad():
        logits = 100 * x @ unit(texts(context)).T
    print(losses[0], "->", losses[-1], (context - start).norm().item())
    return {"gradient": gradient, "context": context.data, "logits": logits, "losses": torch.tensor(losses)}


def main():
    words = W["token_embedding.weight"][torch.tensor(A_PHOTO_OF_A)]
    y = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
    with torch.no_grad():
        t = unit(texts(words))
    x = unit(0.5 * unit(t[y] - t.mean(0)) + 0.25 * torch.randn(len(y), t.shape[1], dtype=torch.double))
    x = x.float().double()  # what is stored is what is used
    x = unit(x)
    numbers = (0.02 * torch.randn(6, WIDTH)).double()
    out = {"features": x.float(), "labels": y, "start": numbers.float()}
    for name, start in [("words", words), ("numbers", numbers)]:
        out |= {f"{name}.{key}": value.float() for key, value in train(start, x, y).items()}
    save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(HERE, "golden.safetensors"))


if __name__ == "__main__":
    main()
