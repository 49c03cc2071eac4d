"""Embeds photos on a Ray cluster, and labels them where there is a classifier: each worker drives `shotlens` on a shard of paths.

    python shotlens_ray.py PHOTOS --out OUT [--model FILE|NAME] [--classifier C.safetensors]

PHOTOS is a folder of photos, or a folder of text files (*.txt) that name photos, one whole path a line: each file is a shard.
OUT gets a Parquet file for each shard, with the columns path, label, features and, with a classifier, prediction, confidence
and decided_by. `shotlens import OUT --out P.shotlens` makes a project of it that opens without embedding anything.

Stop it whenever you like and start it again: shards that are done are passed over, the others are done again from their
beginning. Every worker must see `shotlens`, the model, the classifier, the photos and OUT under the same paths.
"""

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENDINGS = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", help="as for shotlens [default: the embedded demo model]")
    parser.add_argument("--classifier", type=Path, help="what `shotlens export --format classifier` has written")
    parser.add_argument("--classes", action="store_true", help="the first folder below PHOTOS is a photo's class")
    parser.add_argument("--shard-size", type=int, default=10_000, help="photos of a shard, where PHOTOS is walked")
    parser.add_argument("--workers", type=int, help="shards at a time [default: as many as the cluster's processors allow]")
    parser.add_argument("--threads", type=int, default=4, help="processors of a shard")
    parser.add_argument("--shotlens", default="shotlens", help="the program")
    args = parser.parse_args()
    program = shutil.which(args.shotlens)
    args.shotlens = program and os.path.abspath(program)
    if not program:
        parser.error("there is no program `shotlens` on the PATH; say where it is with --shotlens")
    return args


def prepare(args):
    """Writes down what the job is, or makes sure that OUT has been begun by the same one; the shards' lists, in order."""
    job = {
        "photos": str(args.photos.resolve()),
        "model": model_path(args),
        "classifier": args.classifier and hashlib.sha256(args.classifier.read_bytes()).hexdigest(),
        "classes": args.classes,
        "shard_size": args.shard_size,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    note = args.out / "job.json"
    if note.exists() and json.loads(note.read_text()) != job:
        sys.exit(f"{args.out} holds the output of another job ({note}); choose another --out")
    lists = sorted(args.photos.glob("*.txt"))
    if not lists:
        lists = sorted((args.out / "shards").glob("*.txt")) if note.exists() else walk(args)
    if not lists:
        sys.exit(f"no photos in {args.photos}")
    # Last: without it, the lists are not all there.
    replace(note, json.dumps(job, indent=2).encode())
    return job, lists


def model_path(args):
    """A model's name as the path that it stands for: workers may have stores of their own."""
    if args.model is None or Path(args.model).exists():
        return args.model and str(Path(args.model).resolve())
    found = subprocess.run([args.shotlens, "model", "path", args.model], capture_output=True, text=True, check=False)
    if found.returncode:
        sys.exit(found.stderr.strip())
    return found.stdout.strip()


def walk(args):
    """Lists of the photos below a folder, written once: a restart has the same shards, whatever came into the folder since."""
    root = args.photos.resolve()
    photos = sorted(str(path) for path in root.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    folder = args.out / "shards"
    folder.mkdir(exist_ok=True)
    lists = []
    for number, start in enumerate(range(0, len(photos), args.shard_size)):
        lists.append(folder / f"{number:06}.txt")
        replace(lists[-1], "\n".join(photos[start : start + args.shard_size]).encode())
    return lists


def replace(path, content):
    """A whole file or none."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def is_whole(path):
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).metadata.num_rows >= 0
    except (OSError, ValueError):
        return False


def embed_shard(row, job, args):
    """A shard's photos to a Parquet file. Runs in a worker; what goes wrong comes back as a sentence."""
    photos, out = Path(row["list"]), Path(row["out"])
    start = time.time()
    result = {"shard": photos.stem, "photos": 0, "skipped": 0, "seconds": 0.0, "error": ""}
    # A cache of its own, forgotten afterwards: labelling takes the features from it, and nothing fills the worker's disk.
    with tempfile.TemporaryDirectory(prefix="shotlens-") as home:
        try:
            table, skipped = shard_table(photos, Path(home), job, args)
            write(table, out)
            result |= {"photos": table.num_rows, "skipped": len(skipped)}
        except subprocess.CalledProcessError as error:
            result["error"] = error.stderr.strip()
        except (OSError, ValueError) as error:
            result["error"] = str(error)
    return result | {"seconds": time.time() - start}


def shard_table(photos, home, job, args):
    import numpy as np
    import pyarrow as pa
    from safetensors import safe_open

    try:
        run(["embed", "--list", photos, "--out", home / "f.safetensors"], home, job, args)
    except subprocess.CalledProcessError as error:
        if "none of the" not in error.stderr:
            raise
        # Not one photo of the shard can be read, now or later: it is done, and has no rows.
        skipped = photos.read_text(encoding="utf-8").splitlines()
        empty = pa.schema([("path", pa.string()), ("label", pa.string()), ("features", pa.list_(pa.float32()))])
        return empty.with_metadata({"skipped": json.dumps(skipped)}).empty_table(), skipped
    with safe_open(home / "f.safetensors", framework="np") as file:
        features, about = file.get_tensor("features"), file.metadata()
    paths, skipped = json.loads(about["paths"]), json.loads(about["skipped"])
    offsets = np.arange(len(features) + 1, dtype=np.int32) * features.shape[1]
    columns = {"path": pa.array(paths), "label": pa.array([class_of(path, job) for path in paths], pa.string())}
    if args.classifier:
        columns |= predictions(photos, paths, home, job, args)
    columns["features"] = pa.ListArray.from_arrays(offsets, features.ravel())
    about = {"model": about["model"], "preprocess": about["preprocess"], "skipped": json.dumps(skipped)}
    return pa.table(columns).replace_schema_metadata(about), skipped


def predictions(photos, paths, home, job, args):
    import pyarrow as pa

    run(["label", "--list", photos, "--classifier", args.classifier.resolve(), "--out", home / "labels.csv"], home, job, args)
    with open(home / "labels.csv", newline="", encoding="utf-8") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    rows = [rows[path] for path in paths]
    return {
        "prediction": pa.array([row["prediction"] for row in rows]),
        "confidence": pa.array([float(row["confidence"]) for row in rows], pa.float32()),
        "decided_by": pa.array([row["decided_by"] for row in rows]),
    }


def run(command, home, job, args):
    model = ["--model", job["model"]] if job["model"] else []
    command = [args.shotlens, *map(str, command), *model, "--threads", str(args.threads)]
    subprocess.run(command, env=os.environ | {"SHOTLENS_HOME": str(home)}, capture_output=True, text=True, check=True)


def class_of(path, job):
    """The first folder below PHOTOS, where that says what a photo shows."""
    parts = Path(path).relative_to(job["photos"]).parts if job["classes"] else ()
    return parts[0] if len(parts) > 1 else None


def write(table, path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    # Small groups: a sample of the rows reads little besides; features do not repeat, so they get no dictionary.
    words = [name for name in table.column_names if name != "features"]
    pq.write_table(table, sink, row_group_size=2000, compression="snappy", use_dictionary=words)
    replace(path, sink.getvalue())


def main():
    args = arguments()
    job, lists = prepare(args)
    shards = [{"list": str(shard.resolve()), "out": str((args.out / f"{shard.stem}.parquet").resolve())} for shard in lists]
    todo = [shard for shard in shards if not is_whole(shard["out"])]
    print(f"{len(shards)} shards, {len(shards) - len(todo)} of them done", flush=True)
    if not todo:
        return

    import ray

    ray.init(ignore_reinit_error=True)
    # A task for each shard: when a worker dies, Ray gives its shard to another one.
    rows = ray.data.from_items(todo, override_num_blocks=len(todo)).map(
        embed_shard,
        fn_kwargs={"job": job, "args": args},
        num_cpus=args.threads,
        compute=ray.data.TaskPoolStrategy(size=args.workers),
    )
    failed = 0
    for row in rows.iter_rows():
        said = row["error"] or f"{row['photos']} photos, {row['skipped']} skipped, {row['seconds']:.1f} s"
        failed += bool(row["error"])
        print(f"{row['shard']}: {said}", flush=True)
    if failed:
        sys.exit(f"{failed} shards failed; start again to try them once more")


if __name__ == "__main__":
    main()
