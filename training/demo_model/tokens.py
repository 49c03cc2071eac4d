"""CLIP's tokenizer, from the table of merges that the program embeds."""
import gzip
import json
from pathlib import Path

MERGES = Path(__file__).resolve().parents[2] / "assets/clip_bpe_merges.txt.gz"


def make_tokenizer(work: Path):
    """Hugging Face's CLIP tokenizer over the embedded merges."""
    from transformers import CLIPTokenizer

    folder = work / "tokenizer"
    folder.mkdir(exist_ok=True)
    merges, vocabulary = _tables()
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(vocabulary)}, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    return CLIPTokenizer.from_pretrained(folder)


def whole_words() -> list[str]:
    """English words that are one token."""
    return [token[:-4] for token in _tables()[1] if token.endswith("</w>") and token[:-4].isascii() and token[:-4].isalpha() and len(token) > 6]


def _tables() -> tuple[list[str], list[str]]:
    lines = gzip.decompress(MERGES.read_bytes()).decode("utf-8").splitlines()
    merges = [line for line in lines if len(line.split()) == 2 and "#version" not in line]
    letters = list(_letters())
    tokens = letters + [letter + "</w>" for letter in letters] + ["".join(merge.split()) for merge in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    if len(tokens) != 49408:
        raise SystemExit(f"{MERGES}: {len(tokens)} tokens, not 49,408")
    return merges, tokens


def _letters():
    """GPT-2's printable stand-ins for the 256 bytes, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    yield from map(chr, printable)
    yield from (chr(256 + index) for index in range(256 - len(printable)))
