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
    likeness = [[item["model"], item["dtype"], f"{item['cosine_least']:.6f}", f"{item['centred_least']:.6f}"] for item in result.get("likeness", [])]
    changed = [[item["method"], *(f"{item[kind]:.2f}" for kind in ("cpu f32", "f32", "f16", "bf16"))] for item in result.get("accuracy", [])]
    files = [[item["backbone"], item["dtype"], *(f"{item[key]:,.0f}" for key in ("encode", "small", "large"))] for item in result.get("files", [])]
    parts = [f"""## On a graphics card

{versions["gpu"]}, PyTorch {versions["torch"]}, CUDA {versions["cuda"]}; `benches/gpu/run.py`, programs taking turns, medians of {result["rounds"]} rounds with the least
and the greatest. PyTorch (transformers' `CLIPVisionModelWithProjection`, its own choice of attention) computes on pixels that lie on the
card, and the better of two sizes of batch counts; Shotlens is timed from 8-bit crops in the host's memory to features in the host's
memory. Operations are those of the whole model, though Shotlens leaves out what nobody reads of the last block.

{table(["backbone", "program", "photos/s", "Shotlens is, beside PyTorch in bf16", "TFLOP/s"], rows)}

Such a card multiplies up to about 790 TFLOP/s in large bf16 products.
"""]
    if files:
        parts.append("Files on disk to features there, 16 processor cores decoding:\n\n"
                     + table(["backbone", "format", "encoder alone, photos/s", "500 × 375 JPEG, photos/s", "4000 × 3000 JPEG, photos/s"], files) + "\n")
    if likeness:
        parts.append("Features beside the processor's f32 (least cosine over 80 photos; *centred*: with the mean taken off):\n\n"
                     + table(["model", "format", "cosine", "centred"], likeness) + "\n")
    if changed:
        parts.append(f"Accuracy on {result['num_test']} photos of clothing, 4 shots, the embedded model (mean over classes, percent):\n\n"
                     + table(["method", "processor, f32", "f32", "f16", "bf16"], changed) + "\n")
    return "\n".join(parts)
