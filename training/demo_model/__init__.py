"""The demo model: a small CLIP of DINOv2's image tower and a text tower trained on pictures with clean licences."""
