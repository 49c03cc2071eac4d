"""The finished model as Hugging Face files, large matrices as rows of i8."""
import hashlib
import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

from . import dino

# Matrices with fewer numbers stay f16; the table of positions stays f32 for dino.CONSTANT.
SMALLEST = 20_000
EXACT = ("vision_model.embeddings.position_embedding.weight", "vision_model.pre_layrnorm.weight", "vision_model.pre_layrnorm.bias")


def export(clip, target: Path, side: int) -> None:
    """Writes `model-int8.safetensors`, `config.json` and `preprocessor_config.json` into `target`."""
    target.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        clip.logit_scale.fill_(math.log(100.0))
    tensors = {}
    for name, tensor in clip.state_dict().items():
        if not name.endswith("position_ids"):
            tensors.update(_stored(name, tensor.detach().contiguous()))
    save_file(tensors, str(target / "model-int8.safetensors"),
              metadata={"format": "pt", "quantization": "int8 rows: weight = i8 * scale[row]"})
    # The program trusts this instead of hashing 29 MB at every start; a test compares the two.
    digest = hashlib.sha256((target / "model-int8.safetensors").read_bytes()).hexdigest()
    (target / "model-int8.safetensors.sha256").write_text(digest + "\n", encoding="utf-8")
    clip.config.architectures = ["CLIPModel"]
    (target / "config.json").write_text(clip.config.to_json_string(use_diff=True), encoding="utf-8")
    (target / "preprocessor_config.json").write_text(json.dumps(_preprocessor(side), indent=1) + "\n", encoding="utf-8")


def _stored(name, tensor):
    if name in EXACT:
        return {name: tensor.float()}
    if tensor.ndim < 2 or tensor.numel() < SMALLEST or name.endswith("position_embedding.weight"):
        return {name: tensor.half()}
    rows = tensor.float().flatten(1)
    scale = rows.abs().amax(1).clamp_min(1e-12) / 127
    whole = (rows / scale[:, None]).round().clamp(-127, 127).to(torch.int8)
    return {name: whole.reshape(tensor.shape).contiguous(), name + ".scale": scale}


def _preprocessor(side):
    return dict(
        image_processor_type="CLIPImageProcessor", do_resize=True, size={"shortest_edge": side}, resample=3, do_center_crop=True,
        crop_size={"height": side, "width": side}, do_rescale=True, rescale_factor=1 / 255, do_normalize=True,
        image_mean=[round(float(x), 8) for x in dino.CLIP_MEAN], image_std=[round(float(x), 8) for x in dino.CLIP_STD], do_convert_rgb=True)
