#!/usr/bin/env python3
"""Photos of a folder to features in a .npy file, as Python programs do it; the whole process is what is timed.

    pipeline.py transformers|transformers-bf16|sentence-transformers FOLDER --model FOLDER --out F.npy --threads N

transformers: a DataLoader whose worker processes decode and preprocess, the model in this one. sentence-transformers: its own
`encode`, which is handed the files' paths. Rows are in the order of the files' names.
"""
import argparse, contextlib, pathlib

import numpy as np
import torch

BATCH = 32


class Photos(torch.utils.data.Dataset):
    """Decoded and preprocessed in the loader's processes."""

    def __init__(self, files, processor):
        self.files, self.processor = files, processor

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        from PIL import Image

        with Image.open(self.files[index]) as photo:
            return self.processor(photo.convert("RGB"), return_tensors="pt").pixel_values[0]


def by_transformers(files, arguments):
    from transformers import AutoImageProcessor, CLIPVisionModelWithProjection

    processor = AutoImageProcessor.from_pretrained(arguments.model)
    model = CLIPVisionModelWithProjection.from_pretrained(arguments.model, attn_implementation="sdpa").eval()
    loader = torch.utils.data.DataLoader(Photos(files, processor), batch_size=BATCH, num_workers=min(arguments.threads, len(files)))
    autocast = torch.autocast("cpu", torch.bfloat16) if arguments.pipeline.endswith("bf16") else contextlib.nullcontext()
    rows = []
    with torch.inference_mode(), autocast:
        for pixels in loader:
            rows.append(torch.nn.functional.normalize(model(pixel_values=pixels).image_embeds.float(), dim=-1))
    return torch.cat(rows).numpy()


def by_sentence_transformers(files, arguments):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(arguments.model, device="cpu")
    return model.encode([str(file) for file in files], batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", choices=("transformers", "transformers-bf16", "sentence-transformers"))
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    files = sorted(arguments.folder.glob("*.jpg"))
    run = by_sentence_transformers if arguments.pipeline == "sentence-transformers" else by_transformers
    np.save(arguments.out, run(files, arguments))


if __name__ == "__main__":
    main()
