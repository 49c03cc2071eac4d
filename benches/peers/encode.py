#!/usr/bin/env python3
"""Times another engine on CLIP's image encoder as `shotlens bench embed` times ours: the encoder alone, on prepared pixels.

    encode.py ENGINE DTYPE --model FOLDER --graph FILE.onnx --batch N --threads N

ENGINE is onnxruntime, openvino or torch; DTYPE is f32 or bf16. Prints JSON like `bench embed --json`. A repetition is three
batches, or as many as a second takes; the best of five counts, because other programs can only slow one down.
"""
import argparse, json, time

import numpy as np

REPETITIONS = 5


def onnxruntime_encoder(arguments):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = arguments.threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(arguments.graph, options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(None, {"input": pixels})[0]


def openvino_encoder(arguments):
    import openvino

    properties = {"INFERENCE_NUM_THREADS": arguments.threads, "INFERENCE_PRECISION_HINT": arguments.dtype,
                  "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(arguments.graph, "CPU", properties)
    return lambda pixels: compiled([pixels])[0]


def torch_encoder(arguments):
    import contextlib
    import torch
    from transformers import CLIPVisionModelWithProjection

    torch.set_num_threads(arguments.threads)
    model = CLIPVisionModelWithProjection.from_pretrained(arguments.model, attn_implementation="sdpa").eval()
    autocast = torch.autocast("cpu", torch.bfloat16) if arguments.dtype == "bf16" else contextlib.nullcontext()

    def encode(pixels):
        with torch.inference_mode(), autocast:
            return model(pixel_values=torch.from_numpy(pixels)).image_embeds.float().numpy()

    return encode


def main():
    engines = {"onnxruntime": onnxruntime_encoder, "openvino": openvino_encoder, "torch": torch_encoder}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=engines)
    parser.add_argument("dtype", choices=("f32", "bf16"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--graph")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    encode = engines[arguments.engine](arguments)
    pixels = np.random.default_rng(0).standard_normal((arguments.batch, 3, 224, 224)).astype(np.float32)
    encode(pixels)
    best = float("inf")
    for _ in range(REPETITIONS):
        start, rounds = time.perf_counter(), 0
        while rounds < 3 or time.perf_counter() - start < 1:
            encode(pixels)
            rounds += 1
        best = min(best, (time.perf_counter() - start) / rounds)
    print(json.dumps([{"dtype": arguments.dtype, "threads": arguments.threads, "batch": arguments.batch,
                       "encode_images_per_second": arguments.batch / best}]))


if __name__ == "__main__":
    main()
