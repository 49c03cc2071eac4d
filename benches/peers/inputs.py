#!/usr/bin/env python3
"""Makes what all contestants read: checkpoints with seeded random weights, their ONNX graphs, and JPEG files.

    inputs.py FOLDER BACKBONE...

Files that are there already are left alone.
"""
import gzip, json, pathlib, sys

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPVisionModelWithProjection

from backbones import BACKBONES

MERGES = pathlib.Path(__file__).parents[2] / "assets" / "clip_bpe_merges.txt.gz"
PHOTOS = {"one": (1, 500, 375), "small": (256, 500, 375), "large": (24, 4000, 3000)}
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def write_checkpoint(folder, backbone):
    """A folder as CLIP models are published in on the hub: configuration, weights, preprocessing, tokenizer."""
    torch.manual_seed(0)
    vision = {"hidden_size": backbone.width, "intermediate_size": 4 * backbone.width, "num_hidden_layers": backbone.blocks,
              "num_attention_heads": backbone.heads, "patch_size": backbone.patch, "image_size": backbone.size,
              "projection_dim": backbone.dim, "hidden_act": backbone.activation}
    text = {"hidden_size": backbone.text_width, "intermediate_size": 4 * backbone.text_width, "num_hidden_layers": 12,
            "num_attention_heads": backbone.text_width // 64, "projection_dim": backbone.dim, "hidden_act": backbone.activation,
            "bos_token_id": 49406, "eos_token_id": 49407}
    config = CLIPConfig(vision_config=vision, text_config=text, projection_dim=backbone.dim)
    CLIPModel(config).eval().save_pretrained(folder)
    preprocess = {"crop_size": backbone.size, "do_center_crop": True, "do_normalize": True, "do_resize": True, "do_rescale": True,
                  "do_convert_rgb": True, "rescale_factor": 1 / 255, "image_processor_type": "CLIPImageProcessor",
                  "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": MEAN, "image_std": STD, "resample": 3,
                  "size": {"shortest_edge": backbone.size}}
    preprocess["crop_size"] = {"height": backbone.size, "width": backbone.size}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocess, indent=1))
    write_tokenizer(folder)


def write_tokenizer(folder):
    """CLIP's byte-pair encoding: 256 bytes, the same at a word's end, the merges, start and end."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(others))]
    merges = gzip.decompress(MERGES.read_bytes()).decode().splitlines()[1:49152 - 256 - 2 + 1]
    tokens = characters + [character + "</w>" for character in characters] + ["".join(merge.split()) for merge in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, "errors": "replace",
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}))


class Features(torch.nn.Module):
    """The image tower alone; its output is a plain tensor."""

    def __init__(self, folder):
        super().__init__()
        self.inner = CLIPVisionModelWithProjection.from_pretrained(folder, attn_implementation="sdpa").eval()

    def forward(self, input):
        return self.inner(pixel_values=input).image_embeds


def write_graph(folder, path, backbone, any_batch):
    """The image tower as ONNX, for one size of batch or for any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    batch = 2 if any_batch else backbone.batch
    pixels = torch.zeros(batch, 3, backbone.size, backbone.size)
    shapes = {"input": {0: torch.export.Dim("batch", min=1, max=4096)}} if any_batch else None
    with torch.no_grad():
        torch.onnx.export(Features(folder), (pixels,), path, input_names=["input"], output_names=["output"], dynamo=True,
                          dynamic_shapes=shapes)


def write_photos(folder, count, width, height):
    """Noise at every scale, coarse strongest, as in photographs: JPEG needs about two bits a pixel for it."""
    folder.mkdir(parents=True)
    for index in range(count):
        random = np.random.default_rng([width, index])
        picture = np.full((height, width, 3), 128, np.float32)
        for octave in range(1, 9):
            cells = (max(2, height >> octave), max(2, width >> octave))
            noise = random.integers(0, 256, (*cells, 3), np.uint8)
            spread = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
            picture += (np.asarray(spread, np.float32) - 128) * 0.08 * octave ** 0.75
        picture += random.normal(0, 3, (height, width, 1)).astype(np.float32)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{index:04}.jpg", quality=90)


def main():
    work, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
    for name in names:
        folder, backbone = work / "models" / name, BACKBONES[name]
        if not (folder / "merges.txt").exists():
            write_checkpoint(folder, backbone)
        rclip = name == "vit-b-32-256"
        graph = work / "rclip-data" / "ViT-B-32-256-datacomp_s34b_b86k" / "visual.onnx" if rclip else work / "graphs" / f"{name}.onnx"
        if not graph.exists():
            write_graph(folder, graph, backbone, any_batch=rclip)
        if rclip:
            # The query of the benchmark is a photo: rclip asks that these be there, and does not open them.
            (graph.parent / "textual.onnx").touch()
            (work / "rclip-data" / "tokenizer").mkdir(exist_ok=True)
            (work / "rclip-data" / "tokenizer" / "bpe_simple_vocab_16e6.txt.gz").touch()
    for name, (count, width, height) in PHOTOS.items():
        if not (work / "photos" / name).exists():
            write_photos(work / "photos" / name, count, width, height)


if __name__ == "__main__":
    main()
