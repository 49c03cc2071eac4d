"""The text tower: first a bridge from MiniLM's space to pictures, then CLIP's own tower, taught to walk it."""
import json
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from . import dino, tokens

PROMPTS = ("{}", "a photo of a {}", "a photo of a {}.", "a photo of the {}.", "a picture of a {}", "an image of {}.", "a drawing of a {}.",
           "itap of a {}.", "a bad photo of the {}.", "a origami {}.", "a photo of the large {}.", "a {} in a video game.", "art of the {}.",
           "a photo of the small {}.", "a photo of {}, a type of food.", "a photo of a {}, a type of pet.", "{} texture.", "a close-up of a {}")
# How often a picture of each source is drawn; patterns are many and easy.
WEIGHTS = {"openclipart": 1.0, "fluent-emoji": 1.2, "noto-emoji": 0.8, "patterns": 0.25}


def projection(rows: np.ndarray, power: float = 0.15, floor: float = 0.02) -> torch.Tensor:
    """The visual projection [256, 384]: what all pictures share is dropped, and wide directions are reined in.

    Cosines of DINOv2's features crowd in a narrow range because of the part that all have in common; without it a
    nearest class mean and a cache of shots agree far better. `power` is that of a partial whitening (0 none, 0.5 full).
    """
    features = torch.from_numpy(rows.reshape(-1, dino.WIDTH).astype(np.float32))
    mean = features.mean(0)
    common = F.normalize(mean, dim=0)
    covariance = torch.cov((features - mean).T)
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0)[:dino.PROJECTION], vectors.flip(1)[:, :dino.PROJECTION]
    gains = (values + floor * values[0]) ** -power
    matrix = gains[:, None] * vectors.T
    matrix = matrix - (matrix @ common)[:, None] * common[None]
    return matrix / gains.max()


class Bridge(torch.nn.Module):
    """MiniLM's vector of a phrase [n, 384] to the space of pictures [n, 256], unit length."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(384, 768), torch.nn.GELU(), torch.nn.Dropout(0.2), torch.nn.Linear(768, dino.PROJECTION))
        self.straight = torch.nn.Linear(384, dino.PROJECTION, bias=False)

    def forward(self, vectors):
        """Unit rows."""
        return F.normalize(self.layers(vectors) + self.straight(vectors), dim=-1)


def pictures_of(work: Path):
    """Rows [n, views, 384], captions as indices into the phrases, and how often each picture is drawn."""
    stored = np.load(work / "features.npz")
    index = {phrase: at for at, phrase in enumerate(json.loads((work / "phrases.json").read_text(encoding="utf-8")))}
    lines = (work / "captions.txt").read_text(encoding="utf-8").splitlines()
    captions = [[index[caption] for caption in line.split("\t")[2:]] for line in lines]
    weights = torch.tensor([WEIGHTS[source] for source in stored["sources"]])
    return torch.from_numpy(stored["rows"]), captions, weights


def contrastive(images, texts, positive, scale, smooth=0.05):
    """CLIP's loss both ways; every caption that a picture of the batch carries is right for it."""
    logits = scale * images @ texts.T
    loss = 0.0
    for scores, right in ((logits, positive), (logits.T, positive.T)):
        target = right / right.sum(1, keepdim=True)
        target = (1 - smooth) * target + smooth / target.shape[1]
        loss = loss - (target * scores.log_softmax(1)).sum(1).mean() / 2
    return loss


class Batches:
    """Pictures with one of their captions each, and who is right for whom."""

    def __init__(self, work: Path, seed: int, size: int):
        self.rows, self.captions, self.weights = pictures_of(work)
        self.table = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in self.captions], batch_first=True, padding_value=-1)
        self.chance, self.size = random.Random(seed), size

    def draw(self):
        """Features [n, 384], phrases [n], positive [n, n]."""
        chosen = torch.multinomial(self.weights, self.size).tolist()
        views = [self.chance.randrange(self.rows.shape[1]) for _ in chosen]
        features = self.rows[chosen, views].float()
        phrases = [self._caption(self.captions[at]) for at in chosen]
        positive = (self.table[chosen][:, None, :] == torch.tensor(phrases)[None, :, None]).any(2).float()
        return features, phrases, positive

    def _caption(self, captions):
        return captions[0] if self.chance.random() < 0.5 else self.chance.choice(captions)


def train_bridge(work: Path, matrix: torch.Tensor, steps: int, seed: int) -> Bridge:
    """Contrastive on cached features; the pictures' side stays as it is."""
    torch.manual_seed(seed)
    phrases = torch.from_numpy(np.load(work / "phrases.npy")).float()
    batches, bridge = Batches(work, seed, 1024), Bridge()
    optimiser = torch.optim.AdamW(bridge.parameters(), lr=1e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    for step in range(steps):
        features, chosen, positive = batches.draw()
        images = F.normalize(features @ matrix.T, dim=-1)
        vectors = phrases[chosen]
        vectors = F.normalize(vectors + 0.02 * torch.randn_like(vectors), dim=-1)
        loss = contrastive(images, bridge(vectors), positive, _scale(step, steps))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"bridge {step}: {loss.item():.3f}", flush=True)
    return bridge.eval()


def _scale(step: int, steps: int) -> float:
    """Rises to CLIP's 100 over the first half."""
    return 20 + 80 * min(1.0, 2 * step / steps)


class Text(torch.nn.Module):
    """CLIP's text tower and projection."""

    def __init__(self, clip):
        super().__init__()
        self.tower, self.project = clip.text_model, clip.text_projection

    def forward(self, ids):
        """Unit rows [n, 256] of padded token ids [n, t]."""
        return F.normalize(self.project(self.tower(input_ids=ids).pooler_output), dim=-1)


class Prompts:
    """Phrases in prompts as token ids; words are cut into tokens once, since no token crosses a word's end."""

    def __init__(self, work: Path, phrases: list[str], seed: int):
        tokenizer = tokens.make_tokenizer(work)
        inner = lambda text: tokenizer(text)["input_ids"][1:-1]
        self.phrases = [inner(phrase)[:20] for phrase in phrases]
        self.frames = [[inner(part) for part in prompt.split("{}")] for prompt in PROMPTS]
        self.chance = random.Random(seed)

    def ids(self, chosen: list[int]) -> torch.Tensor:
        """A prompt around most phrases, the bare phrase in the others; padded with the end token."""
        rows = []
        for at in chosen:
            before, after = self.chance.choice(self.frames) if self.chance.random() < 0.7 else ([], [])
            rows.append(torch.tensor([dino.BEGIN, *before, *self.phrases[at], *after, dino.END]))
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=dino.END)


def train_tower(work: Path, clip, matrix, bridge: Bridge, steps: int, seed: int) -> None:
    """Teaches the tower what the bridge says of every phrase in many prompts, and the pictures themselves."""
    torch.manual_seed(seed)
    phrases = json.loads((work / "phrases.json").read_text(encoding="utf-8"))
    with torch.no_grad():
        targets = bridge(torch.from_numpy(np.load(work / "phrases.npy")).float())
        clip.text_model.embeddings.token_embedding.weight.normal_(0, 0.05)
    prompts, batches, text = Prompts(work, phrases, seed), Batches(work, seed + 1, 384), Text(clip)
    often = _how_often(phrases, batches.captions)
    optimiser = torch.optim.AdamW(text.parameters(), lr=2e-3, weight_decay=0.02, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        chosen = torch.multinomial(often, 768).tolist()
        said, wanted = text(prompts.ids(chosen)), targets[chosen]
        agree = (1 - (said * wanted).sum(1)).mean()
        alike = ((said @ said.T - wanted @ wanted.T) ** 2).mean()
        loss = agree + 5 * alike
        if step % 4 == 0:
            features, captions, positive = batches.draw()
            images = F.normalize(features @ matrix.T, dim=-1)
            loss = loss + 0.1 * contrastive(images, text(prompts.ids(captions)), positive, 100.0)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(text.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"tower {step}: {loss.item():.3f}, cosine to the bridge {1 - agree.item():.3f}", flush=True)


def _how_often(phrases, captions):
    """Captions are drawn ten times as often as other phrases: people type the names of things that are drawn."""
    often = torch.ones(len(phrases))
    for row in captions:
        often[row] = 10.0
    return often
