"""What benches/gpu/run.py measured on a graphics card, as a section of docs/performance.md."""
import json

NAMES = {"shotlens": "Shotlens", "pytorch": "PyTorch, `torch.compile`"}


def gpu_section(path, table, number):
    """The section, or nothing where no card was measured."""
    if not path.exists():
        return ""
    result = json.loads(path.read_text())
    versions, rows = result["versions"], []
    for row in result["rows"]:
        times = row["of_pytorch"]
        ours = row["program"] == "shotlens"
        cell = f"{number(times)} times as fast" if times >= 1 else f"**{number(times)} times as fast**"
        rows.append([row["backbone"], f"{NAMES[row['program']]}, {row['dtype']}", f"{row['images_per_second']:,.0f} ({row['least']:,.0f} to {row['greatest']:,.0f})",
                     cell if ours else "", f"{row['tflops']:,.0f}"])
    files = [[item["backbone"], item["dtype"], *(f"{item[key]:,.0f}" for key in ("encode", "small", "large"))] for item in result["files"]]
    formats = [[item["dtype"], f"{item['encode_images_per_second']:,.0f}", f"{item['least_cosine']:.5f}", f"{item['mean_cosine']:.6f}",
                f"{sum(method['changed'] for method in item['methods'])} of {sum(method['num_test'] for method in item['methods'])}"]
               for item in result["precision"]]
    methods = ", ".join(method["method"] for method in result["precision"][0]["methods"])
    parts = [f"""## On a graphics card

{versions["gpu"]}, PyTorch {versions["torch"]}, CUDA {versions["cuda"]}; `benches/gpu/run.py`, programs taking turns, medians of {result["rounds"]} rounds with the least
and the greatest. PyTorch (transformers' `CLIPVisionModelWithProjection`, its own choice of attention) computes on pixels that lie on the
card, and the better of two sizes of batch counts; Shotlens is timed from 8-bit crops in the host's memory to features in the host's
memory. Operations are those of the whole model, though Shotlens leaves out what nobody reads of the last block.

{table(["backbone", "program", "photos/s", "Shotlens is, beside PyTorch in bf16", "TFLOP/s"], rows)}

Such a card multiplies up to about 790 TFLOP/s in large bf16 products.
"""]
    parts.append("Files on disk to features, 16 processor cores decoding, with the JPEG decoder of that time, which was 2.5 times as slow on large files:\n\n"
                 + table(["backbone", "format", "encoder alone, photos/s", "500 × 375 JPEG", "4000 × 3000 JPEG"], files) + "\n")
    parts.append(f"What the format changes: the embedded model, clothing, 16 shots, published parameters; features beside f32 on the same card, and\n"
                 f"predictions of {methods} that differ (`shotlens bench precision`):\n\n"
                 + table(["format", "encoder, photos/s", "least cosine", "mean cosine", "predictions changed"], formats) + "\n")
    parts.append("compute-sanitizer's memcheck finds nothing in an embedding run; its racecheck reports hazards in one of cuBLAS' own kernels alone.\n")
    return "\n".join(parts)
