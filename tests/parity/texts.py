"""Texts that try every rule of intake, the text features and the vectorizer. Made up, and the same every time."""

import html
import random
import sys
import unicodedata
from html.entities import html5

WHITE = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
LOOKS_WHITE = list("\u200b\u180e\ufeff\u2060\u00ad\u0000\u0008\u007f\u2800\u3164")
SIGMAS = list("ΣΣΣσςΑαAa.':·\u0301\u00ad\u200d\u0345 \n1_") + ["ʰ", "İ"]
INDIC_BLOCKS = (0x900, 0x980, 0xA00, 0xB80, 0xC80, 0xD00, 0xE00, 0x1000, 0x1780)
INDIC = [chr(code) for first in INDIC_BLOCKS for code in range(first, first + 0x80)]
JAMO = [chr(code) for code in (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3), 0xAC00, 0xAC1C)]
EMOJI = list("😀👍🏽👩💻🏳🌈🇩🇪🇯🇵❤©⌨1#") + ["\u200d", "\ufe0f", "\ufe0e", "\u20e3", "\U000e0067", "\U000e007f", "!"]
RUNS = list("aaabA!!.\n\r ééÉ😀ss\u0301\u3000")
NAMES = ["amp", "lt", "not", "notin", "copy", "Aacute", "frac12", "nbsp"]
REFERENCE = list("&&&&##xX;;0123456789abfF< \t\n\f\r\v\x1f=é\u00a0") + NAMES
ASCII_RUNS = list("aaabbA!!.\n\n\n  ")
DIGITS = list("09_٣६೩²½Ⅻ①㊿〇一億𝟘🄁a- ") + ["\u0300", "ª", "ᴬ", "𐄇"]
SCRIPTS = [range(*bounds) for bounds in (
    (0x61, 0x7B), (0x61, 0x7B), (0x61, 0x7B), (0xC0, 0x180), (0x391, 0x3CA), (0x410, 0x450), (0x5D0, 0x5EB),
    (0x620, 0x64B), (0x904, 0x950), (0xE01, 0xE4F), (0x3041, 0x3097), (0x4E00, 0x4F00), (0xAC00, 0xAD00),
    (0x10A0, 0x10C6), (0x1C90, 0x1CBB), (0x13A0, 0x13F6), (0x10400, 0x10450), (0x1E900, 0x1E944), (0xFF21, 0xFF5B),
    (0x1D400, 0x1D4FF), (0x2160, 0x2189),
)]


def is_assigned(c):
    """True too for non-characters, which no version of Unicode will assign."""
    return unicodedata.category(c) not in ("Cn", "Cs") or 0xFDD0 <= ord(c) <= 0xFDEF or ord(c) & 0xFFFE == 0xFFFE


ASSIGNED = [c for c in map(chr, range(sys.maxunicode + 1)) if is_assigned(c)]


class Writer:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.words = [self.word(self.random.choice(SCRIPTS)) for _ in range(400)]

    def string(self, alphabet, longest):
        return "".join(self.random.choices(alphabet, k=self.random.randint(1, longest)))

    def word(self, script):
        return self.string([chr(code) for code in script if is_assigned(chr(code))], 7)

    def sentence(self):
        """Words with the frequencies of a language, so that a vocabulary knows some of them."""
        words = []
        for _ in range(self.random.randint(1, 24)):
            word = self.words[int(len(self.words) * self.random.random() ** 3)]
            word = self.random.choice([word] * 6 + [word.upper(), word.title(), word + "!!!", word + "?", word * 2])
            others = [f"http://{word}.com", f"{word}@{word}", "&amp;", "x", "£100"]
            words.append(self.random.choice([word] * 20 + others))
        separators = [" "] * 12 + ["  ", ", ", "\n", "\t", "\u00a0", "-"]
        return "".join(word + self.random.choice(separators) for word in words)

    def mutated(self, text):
        characters = list(text[:200])
        for _ in range(self.random.randint(1, 6)):
            at = self.random.randrange(len(characters) + 1)
            change = self.random.randrange(4)
            if change == 0:
                characters.insert(at, self.random.choice(ASSIGNED))
            elif change == 1:
                characters[at:at] = self.random.choice([*WHITE, *SIGMAS, *REFERENCE]) * self.random.randint(1, 4)
            elif change == 2:
                del characters[at : at + 3]
            else:
                characters[at:at] = characters[: self.random.randint(0, 9)]
        return "".join(characters)


def batches(items, size):
    return [items[at : at + size] for at in range(0, len(items), size)]


def names():
    """Every name of HTML 5, in full, cut, and run into what follows."""
    for name in html5:
        bare = name.rstrip(";")
        yield f"a &{name} b&{bare} &{bare}x &{bare[:-1]}; &{bare}="
    for length in range(29, 36):
        yield "&" + "a" * length + "; &amp" + "z" * length + ";"


def numbers():
    edges = [0xD800, 0xDFFF, 0xE000, 0xFDCF, 0xFDD0, 0xFDEF, 0xFDF0, 0x10FFFF, 0x110000]
    huge = [2**31 - 1, 2**31, 2**32, 2**64, 10**100]
    planes = [plane * 0x10000 + low for plane in range(18) for low in (0xFFFD, 0xFFFE, 0xFFFF)]
    codes = [*range(0x180), *edges, *huge, *planes, *range(0x2000, 0x2070)]
    for batch in batches(codes, 6):
        yield " ".join(f"&#{code};&#{code}" for code in batch)
        yield "".join(f"&#x{code:x};&#X{code:X}.&#00{code};" for code in batch)


def long_texts():
    """Around the limit of 10,000 code points, which counts what intake leaves."""
    for length in (9_999, 10_000, 10_001):
        for unit in ("a", "é", "😀", "ﷺ", "&amp;", "e\u0301", "A\u200b"):
            yield unit * length
        for unit in ("ab ", "Σ ", "aaab\n"):
            yield (unit * length)[:length]
    yield "a" * 9_999 + " b"
    yield "a" * 9_999 + "&lt;&lt;"


def texts():
    writer = Writer(14)
    categories = {c: unicodedata.category(c) for c in ASSIGNED}
    by_category = {name: [c for c in ASSIGNED if categories[c] == name] for name in sorted(set(categories.values()))}
    cased = [c for c in ASSIGNED if c.lower() != c or c.upper() != c or c.isupper() or c.islower()]
    special = [c for c in cased if len(c.lower()) > 1 or len(c.upper()) > 1 or c.istitle() and not c.isupper()]
    changed = [c for c in ASSIGNED if unicodedata.normalize("NFKC", c) != c]
    expanding = [c for c in changed if len(unicodedata.normalize("NFKC", c)) > 1]
    marks = [c for c in ASSIGNED if unicodedata.combining(c)]
    bases = [c for c in ASSIGNED if len(unicodedata.normalize("NFD", c)) > 1 and c < "\uac00"] + list("aeiouAEIOU  ")

    found = ["", " ", "\u200b", "&#1;", " \u00ad ", "&nbsp;", "\x1c\x1d", "\u0085", "a", "\n", "!!!", "\u3000x\u3000"]
    found += [*names(), *numbers(), *long_texts()]
    found += [writer.string(REFERENCE, 30) for _ in range(500)]
    for members in by_category.values():
        found += [" ".join(writer.string(members, 4) for _ in range(4)) for _ in range(12)]
    found += [writer.string([writer.random.choice(m) for m in by_category.values()], 30) for _ in range(200)]
    for alphabet in (cased, special, SIGMAS, SIGMAS + cased[:60]):
        found += [writer.string(alphabet, 24) for _ in range(120)]
    found += [writer.string([*alphabet, " "], 40) for alphabet in (INDIC, JAMO, EMOJI) for _ in range(120)]
    found += [writer.string(WHITE + LOOKS_WHITE + ["a", "b"], 24) for _ in range(250)]
    found += ["".join(batch) for batch in batches(expanding, 24)]
    found += [writer.string([*writer.random.choices(changed, k=4), *"Az 1"], 24) for _ in range(200)]
    found += ["".join(writer.random.choice(bases) + writer.string(marks, 4) for _ in range(8)) for _ in range(300)]
    found += [writer.string(alphabet, 40) for alphabet in (RUNS, ASCII_RUNS, DIGITS) for _ in range(250)]
    sentences = [writer.sentence() for _ in range(1200)]
    found += sentences
    found += [writer.mutated(writer.random.choice(found)) for _ in range(500)]
    found += [writer.mutated(sentence) for sentence in sentences[:300]]
    # What only a later Unicode assigns may be treated by its rules.
    return [text for text in found if all(map(is_assigned, text + html.unescape(text)))]
