"""The sizes of CLIP that are measured."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Backbone:
    patch: int
    size: int  # of a crop, in pixels
    width: int
    blocks: int
    heads: int
    dim: int  # of a feature
    text_width: int
    activation: str
    batch: int  # photos that are encoded at once, so that a repetition takes about a second


BACKBONES = {
    "vit-b-32": Backbone(32, 224, 768, 12, 12, 512, 512, "quick_gelu", 16),
    "vit-b-16": Backbone(16, 224, 768, 12, 12, 512, 512, "quick_gelu", 8),
    "vit-l-14": Backbone(14, 224, 1024, 24, 16, 768, 768, "quick_gelu", 4),
    # rclip takes no other
    "vit-b-32-256": Backbone(32, 256, 768, 12, 12, 512, 512, "gelu", 8),
}
