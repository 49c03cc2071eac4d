#!/usr/bin/env python3
"""Times onnxruntime on CLIP's image encoder with random weights, as `shotlens bench embed` times ours.

    python3 -m venv v && v/bin/pip install onnxruntime onnx onnxscript torch transformers
    v/bin/python onnxruntime_baseline.py --backbone vit-b-32 --batch 16 --threads 2

Prints one JSON list like `bench embed --json`: the encoder alone on prepared pixels, f32, the best of several repetitions.
The graph comes from transformers' CLIPVisionModelWithProjection through torch's exporter, with all of onnxruntime's optimisations.
"""
import argparse, json, os, tempfile, time

# patch, width, blocks, heads, dim
BACKBONES = {"vit-b-32": (32, 768, 12, 12, 512), "vit-b-16": (16, 768, 12, 12, 512), "vit-l-14": (14, 1024, 24, 16, 768)}


def export(backbone, batch, path):
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    patch, width, blocks, heads, dim = BACKBONES[backbone]
    config = CLIPVisionConfig(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=blocks, num_attention_heads=heads,
                              patch_size=patch, image_size=224, projection_dim=dim, attn_implementation="sdpa")
    torch.manual_seed(0)
    model = CLIPVisionModelWithProjection(config).eval()

    class Features(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, pixels):
            return self.inner(pixel_values=pixels).image_embeds

    with torch.no_grad():
        torch.onnx.export(Features(model), (torch.zeros(batch, 3, 224, 224),), path, input_names=["pixels"], output_names=["features"], dynamo=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", choices=BACKBONES, default="vit-b-32")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--onnx", help="keep the exported graph here, and use it when it is there")
    arguments = parser.parse_args()

    import numpy as np
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = arguments.onnx or os.path.join(folder, "model.onnx")
        if not os.path.exists(path):
            export(arguments.backbone, arguments.batch, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = arguments.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        pixels = np.random.default_rng(0).standard_normal((arguments.batch, 3, 224, 224)).astype(np.float32)
        session.run(None, {"pixels": pixels})
        best = float("inf")
        for _ in range(arguments.repetitions):
            start = time.perf_counter()
            session.run(None, {"pixels": pixels})
            best = min(best, time.perf_counter() - start)
    print(json.dumps([{"backbone": arguments.backbone, "device": f"onnxruntime {onnxruntime.__version__} CPU", "dtype": "f32",
                       "threads": arguments.threads, "batch": arguments.batch,
                       "encode_images_per_second": round(arguments.batch / best, 2), "pipeline_images_per_second": None}]))


if __name__ == "__main__":
    main()
