#!/usr/bin/env python3
"""How alike a peer's features are to Shotlens': for each photo the cosine, and the cosine once both have lost their mean.

    features.py SHOTLENS.safetensors NAME=FILE...

With random weights all photos' features lie close together, so the second is the one that tells. Prints JSON.
"""
import json, pathlib, sqlite3, sys

import numpy as np
from safetensors import safe_open


def rows(path):
    """Features in the order of the files' names."""
    if path.suffix == ".safetensors":
        with safe_open(path, "np") as file:
            names = json.loads(file.metadata()["paths"])
            return file.get_tensor("features")[np.argsort(names)]
    if path.suffix == ".sqlite3":
        found = sqlite3.connect(path).execute("SELECT vector FROM images ORDER BY filepath")
        return np.stack([np.frombuffer(vector, np.float32) for (vector,) in found])
    return np.load(path).astype(np.float32)


def cosines(a, b):
    return ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).astype(float)


def main():
    ours, likeness = rows(pathlib.Path(sys.argv[1])), {}
    for argument in sys.argv[2:]:
        name, path = argument.split("=", 1)
        theirs = rows(pathlib.Path(path))
        if theirs.shape != ours.shape:
            likeness[name] = {"error": f"{theirs.shape} features, not {ours.shape}"}
            continue
        centred = cosines(ours - ours.mean(0), theirs - theirs.mean(0))
        likeness[name] = {"cosine_min": cosines(ours, theirs).min(), "centred_median": float(np.median(centred)), "centred_min": centred.min()}
    print(json.dumps(likeness))


if __name__ == "__main__":
    main()
