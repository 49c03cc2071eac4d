#!/usr/bin/env python3
"""Writes tokens.json: texts in many scripts and what OpenAI's tokenizer makes of them.

    python3 -m venv v && v/bin/pip install ftfy==6.3.1 regex && v/bin/pip install --no-deps clip-anytorch==2.6.0
    v/bin/python make_tokens.py [--count 200] [--seed 1] [--out tokens.json]

ftfy's repair of mojibake is switched off (fix_encoding=False), as our tokenizer leaves it out; all else is as released.
`ids` ends with end-of-text; the rest of the 77 is zero. `truncated`: the text had more than 75 tokens.
"""
import argparse, html, importlib.util, json, os, random
import ftfy

spec = importlib.util.find_spec("clip")
spec = importlib.util.spec_from_file_location("simple_tokenizer", os.path.join(spec.submodule_search_locations[0], "simple_tokenizer.py"))
simple_tokenizer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(simple_tokenizer)
simple_tokenizer.basic_clean = lambda text: html.unescape(html.unescape(ftfy.fix_text(text, fix_encoding=False))).strip()
TOKENIZER = simple_tokenizer.SimpleTokenizer()

FIXED = ["a photo of a cat.", "a photo of a dog.", "", " ", "a " * 75, "a " * 76, "itap of a café crème, naïve & Zoë's “quoted”  text!!", "犬の写真 🐶",
         "\ufb01sh \uff46\uff55\uff4c\uff4c width", "a &amp;amp; b &lt;c&gt;", "<b>&amp;</b>", "x\n<b>&EACUTE;\n&EACUTE;", "P&EACUTE;REZ &semi; &notit; &notanentity; &nbsp;x",
         "don't we'll they're I'm I'D you'VE 's", "\u0130stanbul \u00df ΟΔΟΣ Σ", "<|startoftext|> a <|endoftext|> b", "<|STARTOFTEXT|>", "it'\u017f \u212aelvin",
         "\x1b[31;1mred\x1b[0m \x1b[", "\ufeffbom \ufffe x\ufffc", "a\r\nb\rc\u2028d\u2029e\x85f\x0bg\x0ch", "\x80\x91q\x92\x93r\x94\x81\x9d", "&#x80;&#129;&#0;&#xD800;&#x110000;&#1;&#13;&#xfdd0;&#x1ffff;",
         "&#8217 &#8217; &#x2019 &amp &lt &copy2024 &notin; &ampamp;", "&amp;#39; &amp;amp;#39;", "e\u0301 n\u0303 \u1100\u1161 \u0041\u030a \u212b", "ＡＢＣ　１２３ ｶﾞｷﾞ ﾊﾟ ￣ ￥ ﾡ", "Ĳĳŉ ǄǅǆǇǈǉǊǋǌǱǲǳ ﬀﬁﬂﬃﬄﬅﬆ",
         "1234 ½ ² Ⅷ ٣ ๓ 四", "a_b-c+d=e/f\\g|h", "👩‍👩‍👧‍👦 🏴󠁧󠁢󠁷󠁬󠁳󠁿 🇩🇪 ☺️ 1️⃣", "\u0345 a\u0345", "日本語テキスト " * 30, "x" * 400, "\u202eabc\u200fdef\u200b", "&" * 40, "&a" * 40, "#&;" * 20]
ALPHABETS = ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", " \t\n\r\u00a0\u3000\u2003\u2028", ".,:;!?'\"()[]{}<>|/\\@#$%^&*_-+=~`",
             "äöüßéèêëçñåøæœšžčřďťňůąęłśźżğıİşđħŋþð", "АБВГДЕЖЗабвгдежзийклмнопрстуфхцчшщъыьэюяіїєґ", "ΑΒΓΔΕΖΗΘΣΩάέήίόύώςσφψω", "אבגדהוזחטיכלמנסעפצקרשת\u05b0\u05b8", "ابتثجحخدذرزسشصضطظعغفقكلمنهوي\u064b\u0651",
             "अआइईउऊकखगघचछजझटठडढणतथदधनपफबभमयरलव\u093e\u0940\u094d", "กขคงจฉชซญฎฏฐณดตถทธนบปผพฟมยรลวศษสหฬอฮ\u0e31\u0e34\u0e48", "가나다라마바사아자차카타파하\u1100\u1161\u11a8", "的一是不了人我在有他这中大来上国和地到以说", "あいうえおかきくけこアイウエオｱｲｳｴｵｶﾞ",
             "😀😂🤣😊😍🐶🐱🦊🍎🚗✈️❤️\u200d👍🏽", "“”‘’‚„‹›«»—–…•", "\x00\x01\x07\x08\x0b\x0c\x0e\x1b\x1c\x1f\x7f\x80\x85\x91\x9f", "\ufeff\ufff9\ufffc\ufffd\u206a\u200b\u200c\u200d\u200e\u202a\u2060", "ﬀﬁﬂĳǆŉＡｂ１！￥￣", "\u0300\u0301\u0308\u0327\u030a\u0345\u1dc0"]
ENTITIES = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#x27;", "&nbsp;", "&eacute;", "&EACUTE;", "&Eacute;", "&hellip;", "&mdash", "&copy", "&frac12;", "&bogus;", "&amp;amp;", "&amp;lt;b&amp;gt;", "&NTILDE;", "&SZLIG;",
            "&acE;", "&NotEqualTilde;", "&fjlig;", "&#128512;", "&#x1F600", "&#150;", "&NBSP;", "&semi;", "&ampx;", "\x1b[1m", "\x1b[38;5;1mq", "'s", "'LL", "n't", "I'm", "\r\n", "<", "http://a.b/c?d=e&f=g&lt=h"]
WORDS = "a photo of the large small dog cat satellite texture dress t-shirt flower aircraft Boeing 737-800 hat outwear pants croissants itap origami".split()


def sample(rng):
    parts = []
    for _ in range(rng.randint(1, 9)):
        kind = rng.random()
        if kind < 0.3:
            parts.append(rng.choice(WORDS))
        elif kind < 0.5:
            parts.append(rng.choice(ENTITIES))
        elif kind < 0.9:
            letters = rng.choice(ALPHABETS)
            parts.append("".join(rng.choice(letters) for _ in range(rng.randint(1, 8))))
        else:  # any code point at all that Unicode 13 has assigned
            point = rng.choice([rng.randrange(0x20, 0x3000), rng.randrange(0x3000, 0xd7a3), rng.randrange(0xf900, 0xfffe), rng.randrange(0x1f300, 0x1f600), rng.randrange(0x10000, 0x11000)])
            parts.append(chr(point))
        parts.append(rng.choice(["", " ", " ", " "]))
    return "".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokens.json"))
    a = parser.parse_args()
    rng = random.Random(a.seed)
    texts = FIXED + [sample(rng) for _ in range(a.count - len(FIXED))]
    rows = []
    for text in texts:
        ids = [49406] + TOKENIZER.encode(text) + [49407]
        truncated = len(ids) > 77
        rows.append({"text": text, "ids": ids[:76] + [49407] if truncated else ids, "truncated": truncated})
    with open(a.out, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
