#!/usr/bin/env python3
"""Times PyTorch's step of adapter training on CLIP's image encoder with random weights, as `shotlens bench train` times ours.

    python3 -m venv v && v/bin/pip install torch transformers
    v/bin/python train_pytorch.py --backbone vit-b-32 --batch 32 --threads 2

Prints one JSON list like `bench train --json`: whole steps from prepared pixels on, f32, the best of several. Adapters as in
`adapter_utils.py` of akres001/CLIP_fewshot_imo, in every block; a linear head, cross-entropy, AdamW.
"""
import argparse, json, math, time

import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

# patch, width, blocks, heads, dim
BACKBONES = {"vit-b-32": (32, 768, 12, 12, 512), "vit-b-16": (16, 768, 12, 12, 512), "vit-l-14": (14, 1024, 24, 16, 768)}
CLASSES, BOTTLENECK, SCALE = 100, 64, 0.03


class Adapter(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.down, self.up = torch.nn.Linear(width, BOTTLENECK), torch.nn.Linear(BOTTLENECK, width)
        torch.nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        for zero in (self.up.weight, self.down.bias, self.up.bias):
            torch.nn.init.zeros_(zero)

    def forward(self, h):
        return SCALE * self.up(torch.nn.functional.dropout(torch.relu(self.down(h)), 0.1, self.training))


class Beside(torch.nn.Module):
    """A block's MLP with its LayerNorm, and the adapter on what comes before both."""

    def __init__(self, layer, adapter):
        super().__init__()
        self.layer, self.adapter = layer, adapter

    def forward(self, hidden_states, attention_mask=None, *_, **__):
        layer = self.layer
        h = hidden_states + layer.self_attn(layer.layer_norm1(hidden_states), attention_mask)[0]
        return h + layer.mlp(layer.layer_norm2(h)) + self.adapter(h)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", choices=BACKBONES, default="vit-b-32")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    patch, width, blocks, heads, dim = BACKBONES[arguments.backbone]
    config = CLIPVisionConfig(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=blocks, num_attention_heads=heads,
                              patch_size=patch, image_size=224, projection_dim=dim, attn_implementation="sdpa")
    model = CLIPVisionModelWithProjection(config).requires_grad_(False).train()
    layers = model.vision_model.encoder.layers
    adapters = torch.nn.ModuleList(Adapter(width) for _ in range(blocks))

    def step_forward(pixels):
        x = model.vision_model.pre_layrnorm(model.vision_model.embeddings(pixels))
        for layer, adapter in zip(layers, adapters):
            x = Beside(layer, adapter)(x)
        return model.visual_projection(model.vision_model.post_layernorm(x[:, 0]))

    head = torch.nn.Linear(dim, CLASSES)
    optimiser = torch.optim.AdamW([*adapters.parameters(), *head.parameters()], lr=8e-3)
    pixels = torch.randn(arguments.batch, 3, 224, 224)
    labels = torch.arange(arguments.batch) % CLASSES
    best = math.inf
    for repetition in range(arguments.repetitions + 1):
        start = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(head(step_forward(pixels)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if repetition > 0:
            best = min(best, time.perf_counter() - start)
    print(json.dumps([{"backbone": arguments.backbone, "device": "CPU", "dtype": "f32", "threads": arguments.threads,
                       "batch": arguments.batch, "train_images_per_second": arguments.batch / best}]))


if __name__ == "__main__":
    main()
