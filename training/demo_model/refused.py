"""Pictures that training must never see: what results are judged on, and the demo that ships."""
import csv
import hashlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEMO = HERE.parents[1] / "assets/demo/SOURCES.tsv"


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused_hashes() -> set[str]:
    """SHA-256 of the clothing pictures (refused.txt) and of the demo's originals."""
    listed = {line.split()[0] for line in (HERE / "refused.txt").read_text().splitlines() if line and not line.startswith("#")}
    with open(DEMO, newline="", encoding="utf-8") as table:
        return listed | {row["original_sha256"] for row in csv.DictReader(table, delimiter="\t")}


def refuse(path: Path, refused: set[str]) -> None:
    """Stops the training if a picture is on the list, or lies in a folder of a data set that is judged on."""
    lower = str(path).lower()
    for name in ("oxford", "flowers17", "flowers102", "flowers-102", "clothing-dataset"):
        if name in lower:
            raise SystemExit(f"{path}: pictures of this data set must not be trained on")
    if sha256(path) in refused:
        raise SystemExit(f"{path}: this picture must not be trained on (refused.txt or the demo's SOURCES.tsv)")
