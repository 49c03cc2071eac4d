"""Pictures and what they show: openclipart, two sets of emoji, and patterns that we draw ourselves."""
import csv
import hashlib
import html
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from . import refused

# Icon themes, playing cards, flags and ornaments: thousands of pictures that look alike and teach little about things.
LEFT_OUT = ("computer/icons", "computer/buttons", "shapes", "recreation/games/cards", "signs_and_symbols/flags", "special", "buttons",
            "logos", "transportation/aiga-symbols", "signs_and_symbols/led", "signs_and_symbols/map_symbols")
FLAGS, COMPONENTS = 9, 2
FOLDER_WORDS = {
    "bugs": "insect", "clothing": "clothes", "transportation": "vehicle", "unsorted": "", "special": "", "boating": "boat",
    "breads_and_carbs": "bread", "meats_and_eggs": "meat", "recreation": "", "homes": "house", "signs_and_symbols": "sign",
    "geography": "landscape", "people": "person", "bodypart": "part of the body", "stickmen": "stick figure",
}
# Openclipart's folders that mean the same as a subgroup of emoji.
SAME_GROUP = {
    "animals/bugs": "animal-bug", "animals/birds": "animal-bird", "animals/mammals": "animal-mammal", "animals/fish": "animal-marine",
    "plants/flowers": "plant-flower", "plants/trees": "plant-other", "food/fruit": "food-fruit", "food/vegetables": "food-vegetable",
    "food/desserts": "food-sweet", "food/beverages": "drink", "recreation/music": "musical-instrument", "recreation/sports": "sport",
    "people/clothing": "clothing", "people/clothing/hats": "hats", "transportation/boating": "transport-water", "tools": "tool",
    "transportation/vehicles": "transport-ground", "buildings/homes": "place-building", "buildings": "place-building",
    "office/telephone": "phone", "computer/hardware": "computer", "signs_and_symbols/weather": "sky-weather",
}
COLOURS = {
    "red": "#d32222", "orange": "#f08a1d", "yellow": "#f6d928", "green": "#2e9c3b", "blue": "#2456c9", "purple": "#7d2fa8",
    "pink": "#f29ac0", "brown": "#7a4a22", "black": "#141414", "white": "#f6f6f6", "grey": "#8c8c8c", "turquoise": "#2fc4c0",
}


class Picture(NamedTuple):
    """One picture and its captions, most telling first."""

    image: Image.Image  # RGBA
    captions: list[str]
    source: str
    key: str  # what it is called in reports; equal pictures have equal keys
    group: str  # the kind of thing it is: openclipart's folder or the emoji's subgroup; empty where there is none


def all_pictures(work: Path) -> list[Picture]:
    """Every picture of the sources, once each, none of them refused."""
    banned = refused.refused_hashes()
    demo = _demo_pixels(work, banned)
    found, seen = [], set(demo)
    for picture in (*openclipart(work, banned), *fluent_emoji(work, banned), *noto_emoji(work), *patterns()):
        if picture.key not in seen:
            seen.add(picture.key)
            found.append(picture)
    return found


def _pixels_key(image: Image.Image) -> str:
    small = image.resize((64, 64), Image.BOX)
    return hashlib.sha256(small.tobytes()).hexdigest()


def _demo_pixels(work: Path, banned: set[str]) -> list[str]:
    """Keys of the demo's pictures: openclipart holds some under several names, byte for byte different."""
    root = _openclipart_root(work)
    with open(refused.DEMO, newline="", encoding="utf-8") as table:
        originals = [root / row["original"] for row in csv.DictReader(table, delimiter="\t")]
    return [_pixels_key(_opened(path)) for path in originals]


def _openclipart_root(work: Path) -> Path:
    return work / "sources/openclipart-png/usr/share/openclipart/png"


def _opened(path: Path) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # a few originals are larger than Pillow's guard
    image = Image.open(path).convert("RGBA")
    image.thumbnail((320, 320), Image.LANCZOS)
    return image


def openclipart(work: Path, banned: set[str]):
    """Public domain drawings with title, keywords and folder."""
    root = _openclipart_root(work)
    for path in sorted(root.rglob("*.png")):
        folder = str(path.parent.relative_to(root))
        if folder.startswith(LEFT_OUT) or refused.sha256(path) in banned:
            continue
        refused.refuse(path, banned)
        captions = _clipart_captions(work, root, path)
        if captions:
            image = _opened(path)
            yield Picture(image, captions, "openclipart", _pixels_key(image), SAME_GROUP.get(folder, folder))


def _clipart_captions(work: Path, root: Path, path: Path) -> list[str]:
    svg = work / "sources/openclipart-svg/usr/share/openclipart/svg" / path.relative_to(root).with_suffix(".svg")
    title, keywords, author = _metadata(svg)
    words = [_tidy(re.sub(r"(?i)^clipart by .*? - ", "", title))]
    if not words[0]:
        words = [_tidy(_without_author(path.stem, author))]
    words += [_tidy(word) for word in keywords]
    words += [FOLDER_WORDS.get(part, _singular(part)) for part in reversed(path.relative_to(root).parent.parts)]
    return _distinct(words)


def _metadata(svg: Path) -> tuple[str, list[str], str]:
    """Title, keywords and author as the drawing's RDF gives them."""
    try:
        tree = ET.fromstring(svg.read_bytes())
    except (ET.ParseError, OSError):
        return "", [], ""
    dublin = "{http://purl.org/dc/elements/1.1/}"
    text = lambda node: html.unescape((node.text or "").strip()) if node is not None else ""
    title = text(tree.find(f".//{dublin}title"))
    keywords = [text(item) for subject in tree.iter(f"{dublin}subject") for item in subject.iter() if text(item)]
    creator = tree.find(f".//{dublin}creator")
    author = text(creator.find(f".//{dublin}title")) if creator is not None else ""
    return title, keywords, author


def _without_author(stem: str, author: str) -> str:
    """File names are `title_author_number`, cut at 25 letters."""
    words = re.sub(r"[_\d]+", " ", stem).split()
    names = [name.lower() for name in author.split()]
    kept = [word for word in words if not any(len(word) > 1 and name.startswith(word.lower()) for name in names)]
    return " ".join(kept)


def _tidy(text: str) -> str:
    text = re.sub(r"(?i)\b(clip ?art|svg|png|remix|unsorted|public domain|hash\([^)]*\)|image/\S+|\d+)\b", " ", text)
    text = re.sub(r"[^\w' -]|_", " ", text).strip(" -'").lower()
    text = re.sub(r"\s+", " ", text)
    return text if 1 < len(text) <= 60 and text.isascii() else ""


def _singular(folder: str) -> str:
    folder = folder.replace("_", " ").replace("-", " ")
    return folder[:-1] if folder.endswith("s") and not folder.endswith("ss") else folder


def _distinct(words: list[str]) -> list[str]:
    return list(dict.fromkeys(word for word in words if word))


def _emoji_names(work: Path) -> dict[str, tuple[list[str], str]]:
    """Captions and subgroup by code points such as `1f469-200d-1f680`; flags, keycaps and skin tones are left out."""
    folder = work / "sources/emoji-names/package/en"
    subgroups = {row["order"]: row["key"] for row in json.loads((folder / "messages.json").read_text(encoding="utf-8"))["subgroups"]}
    table = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    return {
        row["hexcode"].lower(): (_distinct([_tidy(row["label"]), *(_tidy(tag) for tag in row.get("tags", []))]), subgroups[row["subgroup"]])
        for row in table
        if row.get("group") not in (None, FLAGS, COMPONENTS)
    }


def fluent_emoji(work: Path, banned: set[str]):
    """Microsoft's Fluent emoji, rendered in 3D (MIT)."""
    names = _emoji_names(work)
    for path in sorted((work / "sources/fluent-emoji/package/assets").glob("*.webp")):
        captions, group = names.get(path.stem) or names.get(path.stem.replace("-fe0f", ""), ([], ""))
        if captions:
            refused.refuse(path, banned)
            yield Picture(_opened(path), captions, "fluent-emoji", f"fluent {path.stem}", group)


def noto_emoji(work: Path):
    """Google's Noto emoji (OFL), drawn from the font's bitmaps."""
    font = ImageFont.truetype(str(next((work / "sources/noto-emoji").rglob("NotoColorEmoji.ttf"))), 109)
    for code, (captions, group) in _emoji_names(work).items():
        points = [int(point, 16) for point in code.split("-")]
        if len([point for point in points if point != 0xFE0F]) > 1:
            continue  # joined emoji need a shaping engine
        image = Image.new("RGBA", (136, 128))
        ImageDraw.Draw(image).text((0, 0), chr(points[0]), font=font, embedded_color=True)
        if image.getbbox() and captions:
            yield Picture(image.crop(image.getbbox()), captions, "noto-emoji", f"noto {code}", group)


def patterns():
    """Colours and patterns, drawn here: `a red surface`, `green and white stripes`."""
    for name, colour in COLOURS.items():
        yield Picture(Image.new("RGBA", (128, 128), colour), [name, f"{name} colour", f"{name} background"], "patterns", f"plain {name}", "")
        for other, ground in COLOURS.items():
            if other == name:
                continue
            for pattern, draw in DRAWN.items():
                image = Image.new("RGBA", (128, 128), ground)
                draw(ImageDraw.Draw(image), colour)
                captions = [f"{name} {pattern} on {other}", f"{name} and {other} {pattern}", pattern, name, other]
                yield Picture(image, captions, "patterns", f"{pattern} {name} {other}", "")


def _stripes(draw, colour):
    for x in range(0, 128, 32):
        draw.rectangle((x, 0, x + 15, 127), fill=colour)


def _dots(draw, colour):
    for row, y in enumerate(range(8, 136, 24)):
        for x in range(8 + 12 * (row % 2), 140, 24):
            draw.ellipse((x - 7, y - 7, x + 7, y + 7), fill=colour)


def _checks(draw, colour):
    for x in range(0, 128, 32):
        for y in range(0, 128, 32):
            if (x + y) // 32 % 2:
                draw.rectangle((x, y, x + 31, y + 31), fill=colour)


def _grid(draw, colour):
    for at in range(8, 128, 28):
        draw.line((at, 0, at, 127), fill=colour, width=5)
        draw.line((0, at, 127, at), fill=colour, width=5)


DRAWN = {"stripes": _stripes, "polka dots": _dots, "checkerboard": _checks, "grid": _grid}
