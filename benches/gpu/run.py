#!/usr/bin/env python3
"""Shotlens beside PyTorch on one NVIDIA GPU, the same encoders, taking turns: median and spread of each, and operations per second.

    benches/gpu/run.py --program target/release/shotlens --out FILE.json [--rounds 3]

Needs PyTorch and transformers in the python3 that runs it. PyTorch computes on pixels that lie on the card; Shotlens is timed from
8-bit crops in the host's memory to features in the host's memory. PyTorch has the better of two sizes of batch.
"""
import argparse, json, pathlib, statistics, subprocess, sys

BATCHES = {"vit-b-32": (256, 512), "vit-b-16": (128, 256), "vit-l-14": (64, 128)}
# width, MLP, blocks, tokens, patch, dim
SIZES = {"vit-b-32": (768, 3072, 12, 50, 32, 512), "vit-b-16": (768, 3072, 12, 197, 16, 512), "vit-l-14": (1024, 4096, 24, 257, 14, 768)}


def operations(backbone):
    """Multiplications and additions of one picture, those of the last block's other tokens included."""
    width, mlp, blocks, tokens, patch, dim = SIZES[backbone]
    block = 2 * tokens * (4 * width * width + 2 * width * mlp) + 4 * tokens * tokens * width
    return blocks * block + 2 * (tokens - 1) * 3 * patch * patch * width + 2 * width * dim


class PyTorch:
    def __init__(self):
        here = pathlib.Path(__file__).resolve().parent
        self.process = subprocess.Popen([sys.executable, here / "pytorch.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.versions = json.loads(self.process.stdout.readline())

    def rate(self, backbone, dtype, batch):
        self.process.stdin.write(f"{backbone} {dtype} {batch}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["best"]


def shotlens(program, backbone, dtype, batch):
    command = [program, "bench", "embed", "--device", "cuda", "--backbone", backbone, "--dtype", dtype, "--batch", str(batch), "--encoder-only", "--json"]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        sys.exit(f"{' '.join(command)}: {answer.stderr}")
    return json.loads(answer.stdout)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backbones", nargs="*", default=list(BATCHES))
    arguments = parser.parse_args()
    torch = PyTorch()
    rows, result = [], {"versions": torch.versions, "rounds": arguments.rounds}
    for backbone in arguments.backbones:
        rates = {}
        for turn in range(arguments.rounds):
            for dtype in ("bf16", "f16"):
                ours = shotlens(arguments.program, backbone, dtype, 4 * BATCHES[backbone][1])
                rates.setdefault(("shotlens", dtype), []).append(ours["encode_images_per_second"])
            theirs = max(torch.rate(backbone, "bf16", batch) for batch in BATCHES[backbone])
            rates.setdefault(("pytorch", "bf16"), []).append(theirs)
        for (program, dtype), found in rates.items():
            factors = [a / b for a, b in zip(found, rates[("pytorch", "bf16")])]
            rows.append({"backbone": backbone, "program": program, "dtype": dtype, "images_per_second": statistics.median(found),
                         "least": min(found), "greatest": max(found), "of_pytorch": statistics.median(factors),
                         "tflops": statistics.median(found) * operations(backbone) / 1e12})
            print(json.dumps(rows[-1]), flush=True)
    result["rows"] = rows
    pathlib.Path(arguments.out).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
