#!/usr/bin/env python3
"""Times PyTorch on CLIP's image encoder on a GPU: torch.compile, half precision, pixels already there.

Reads lines `BACKBONE DTYPE BATCH` and answers each with a line of JSON, so that compiling is paid once. Weights are random.
"""
import json, statistics, sys, time

import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

SIZES = {
    "vit-b-32": dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, patch_size=32, projection_dim=512),
    "vit-b-16": dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, patch_size=16, projection_dim=512),
    "vit-l-14": dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, patch_size=14, projection_dim=768),
}
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16}
REPETITIONS = 5
compiled = {}


def encoder(backbone, dtype, batch):
    key = (backbone, dtype)
    if key not in compiled:
        torch.manual_seed(1)
        config = CLIPVisionConfig(image_size=224, hidden_act="quick_gelu", **SIZES[backbone])
        model = CLIPVisionModelWithProjection._from_config(config, attn_implementation="sdpa").eval().to("cuda", DTYPES[dtype])
        compiled[key] = torch.compile(model)
    pixels = torch.randn(batch, 3, 224, 224, device="cuda", dtype=DTYPES[dtype])
    return lambda: compiled[key](pixel_values=pixels).image_embeds


def rate(backbone, dtype, batch):
    with torch.inference_mode():
        encode = encoder(backbone, dtype, batch)
        for _ in range(3):
            encode()
        torch.cuda.synchronize()
        rates = []
        for _ in range(REPETITIONS):
            start, rounds = time.perf_counter(), 0
            while rounds < 3 or time.perf_counter() - start < 0.5:
                encode()
                rounds += 1
                if rounds % 8 == 0:
                    torch.cuda.synchronize()
            torch.cuda.synchronize()
            rates.append(rounds * batch / (time.perf_counter() - start))
    return {"best": max(rates), "median": statistics.median(rates)}


def main():
    torch.set_float32_matmul_precision("high")
    print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda, "gpu": torch.cuda.get_device_name(0)}), flush=True)
    for line in sys.stdin:
        backbone, dtype, batch = line.split()
        print(json.dumps(rate(backbone, dtype, int(batch))), flush=True)


if __name__ == "__main__":
    main()
