"""Applies a classifier file of Shotlens to features that `shotlens embed` has written.

    shotlens export PROJECT --format classifier --out C.safetensors
    shotlens embed PHOTOS --out F.safetensors
    python apply_classifier.py C.safetensors F.safetensors [ADAPTED.safetensors]

A ++ method also takes adapted features: `shotlens embed PHOTOS --adapter OPTION --out ADAPTED.safetensors`, with OPTION from
the file's metadata `adapter_option`. Features may also be an .npy array or clip-retrieval's folder (img_emb/, metadata/), which do
not say which model made them: that must be the classifier's. Needs numpy and safetensors, for such a folder pyarrow too. Prints
path (an array's row), class and confidence of every photo.
"""
import json
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open


def read(path):
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def logits(c, meta, x, adapted):
    """Logits [n, classes] of unit rows `x` and, for the ++ methods, `adapted`."""
    p, method = json.loads(meta["parameters"]), meta["method"]
    if "weights" in c:  # zero-shot, GDA, TIMO, LP++, TaskRes, CoOp
        more = adapted @ c["weights_imo"].T if "weights_imo" in c else 0
        return x @ c["weights"].T + more + c["bias"]
    if "cache_keys" in c:  # Tip-Adapter-F, APE-T
        votes = np.exp(-p["beta"] * (1 - x @ c["cache_keys"].T)) * c["votes"]
        return x @ c["cache_text"].T + p["alpha"] * votes @ np.eye(len(c["text"]))[c["cache_labels"]]
    assert method.removesuffix("-pp") in ("tip-adapter", "tip-x"), f"{method} is not in this example"
    one_hot = np.eye(len(c["text"]))[c["labels"]]
    keys, queries = (c["support_imo"], adapted) if method.endswith("-pp") else (c["support"], x)
    scale = 100 if meta["use_class_names"] == "true" else 0
    out = scale * x @ c["text"].T + p["alpha"] * np.exp(-p["beta"] * (1 - queries @ keys.T)) @ one_hot
    if method.startswith("tip-x"):  # how alike photos look to the texts, scaled to the range of the shots' cosines
        def divergences(a, b):
            p_a, p_b = (np.exp(r @ c["text"].T / 0.5) for r in (a, b))
            p_a, p_b = (p / p.sum(1, keepdims=True) for p in (p_a, p_b))
            return (p_a * np.log(p_a)).sum(1, keepdims=True) - p_a @ np.log(p_b).T
        others = c["groups"][:, None] != c["groups"]
        m, a = divergences(c["support"], c["support"])[others], (keys @ keys.T)[others]
        slope = (a.max() - a.min()) / (m.max() - m.min())
        out -= p["gamma"] * (slope * (divergences(x, c["support"]) - m.min()) + a.min()) @ one_hot
    return out


def unit(rows):
    rows = rows.astype(np.float64)  # half precision leaves their length a little off
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def batches(features, meta):
    """Names and features of photos, part by part."""
    features = Path(features)
    if features.is_dir():
        import pyarrow.parquet as pq
        for array in sorted((features / "img_emb").glob("*.npy")):
            table = features / "metadata" / (array.stem.replace("img_emb", "metadata") + ".parquet")
            yield pq.read_table(table, columns=["image_path"])["image_path"].to_pylist(), unit(np.load(array))
    elif features.suffix == ".npy":
        rows = np.load(features, mmap_mode="r")
        for start in range(0, len(rows), 65536):
            part = rows[start : start + 65536]
            yield range(start, start + len(part)), unit(part)
    else:
        f, f_meta = read(features)
        assert f_meta["model"].split("sha256:")[1] == meta["base_model_hash"], "the features come from another model"
        yield json.loads(f_meta["paths"]), f["features"].astype(np.float64)


def main(classifier, features, adapted=None):
    c, meta = read(classifier)
    adapted = read(adapted)[0]["features"].astype(np.float64) if adapted else None
    for paths, rows in batches(features, meta):
        z = logits(c, meta, rows, adapted) / float(meta["temperature"])
        shares = np.exp(z - z.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        for path, row in zip(paths, shares):
            print(path, json.loads(meta["classes"])[row.argmax()], f"{row.max():.6f}", sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
