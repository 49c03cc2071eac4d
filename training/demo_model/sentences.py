"""The teacher for words: all-MiniLM-L6-v2 (Apache-2.0) says how alike two phrases are."""
import json
from pathlib import Path

import numpy as np
import torch

# WordNet's files of nouns that can be photographed: animal, artifact, body, food, object, person, phenomenon, plant,
# location, shape, substance.
PICTURABLE = {5, 6, 8, 13, 15, 17, 18, 19, 20, 25, 27}
# Words of WordNet that CLIP's vocabulary cuts into more pieces than this are rare names of species.
LONGEST_PHRASE = 24


def encode(work: Path, phrases: list[str], batch: int = 512) -> np.ndarray:
    """MiniLM's unit vectors [n, 384] of phrases: tokens averaged, as its card says."""
    from tokenizers import Tokenizer
    from transformers import AutoModel

    folder = next((work / "sources/minilm").rglob("model/config.json")).parent
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(64)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    ids = [encoded.ids for encoded in tokenizer.encode_batch(phrases)]
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    rows = np.empty((len(ids), 384), np.float32)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(order), batch):
            chosen = order[start:start + batch]
            longest = max(len(ids[index]) for index in chosen)
            padded = torch.tensor([ids[index] + [0] * (longest - len(ids[index])) for index in chosen])
            mask = torch.tensor([[1] * len(ids[index]) + [0] * (longest - len(ids[index])) for index in chosen])
            hidden = model(input_ids=padded, attention_mask=mask).last_hidden_state.float()
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            rows[chosen] = torch.nn.functional.normalize(mean, dim=-1).numpy()
    return rows


def vocabulary(work: Path, words_of_clip: list[str]) -> list[str]:
    """Phrases to learn from the teacher: captions, WordNet's things and how they look, whole words of CLIP's vocabulary."""
    captions = [caption for line in (work / "captions.txt").read_text(encoding="utf-8").splitlines() for caption in line.split("\t")[2:]]
    nouns = _lemmas(work, "noun", PICTURABLE)
    looks = _lemmas(work, "adj", None)
    phrases = dict.fromkeys(captions + nouns + looks + words_of_clip)
    return [phrase for phrase in phrases if phrase and len(phrase) <= 60]


def _lemmas(work: Path, part: str, files: set[int] | None) -> list[str]:
    path = next((work / "sources/wordnet").rglob(f"data.{part}"))
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            continue
        fields = line.split(" ")
        if files is not None and int(fields[1]) not in files:
            continue
        count = int(fields[3], 16)
        for word in fields[4:4 + 2 * count:2]:
            word = word.split("(")[0].replace("_", " ").lower()
            if len(word) <= LONGEST_PHRASE and word.isascii():
                found.append(word)
    return found


def make_sentences(work: Path, words_of_clip: list[str]) -> None:
    """Writes `phrases.json` and `phrases.npy` [n, 384] f16."""
    phrases = vocabulary(work, words_of_clip)
    print(f"{len(phrases)} phrases")
    (work / "phrases.json").write_text(json.dumps(phrases), encoding="utf-8")
    np.save(work / "phrases.npy", encode(work, phrases).astype(np.float16))
