"""What the engine computes, said again in plain Python.

The golden vectors come from here, not from the engine: they are a second opinion. Training itself takes its features
from the engine, and stops if the two differ.
"""

import hashlib
import html
import re
import unicodedata

TEXT_CHARS_MAX = 10_000

# Name and unit, in the engine's order.
TEXT_FEATURES = {
    "char_count": "code points",
    "word_count": "words",
    "avg_word_length": "code points per word",
    "url_count": "occurrences",
    "email_count": "occurrences",
    "exclamation_count": "occurrences",
    "question_count": "occurrences",
    "capital_ratio": "share of code points",
    "unique_word_ratio": "share of words",
    "repeated_char_ratio": "runs per code point",
}


def sanitize(text):
    """The text as the models see it."""
    text = unicodedata.normalize("NFKC", html.unescape(text.strip()))
    text = "".join(c for c in text if unicodedata.category(c)[0] != "C" or c in "\n\r\t")
    return " ".join(text.split())[:TEXT_CHARS_MAX]


def text_features(text):
    """The ten features of a sanitized text, by name."""
    words = text.split()
    values = (
        len(text),
        len(words),
        sum(len(word) for word in words) / len(words),
        text.count("http"),
        text.count("@"),
        text.count("!"),
        text.count("?"),
        sum(c.isupper() for c in text) / len(text),
        len(set(text.lower().split())) / len(words),
        len(re.findall(r"(.)\1{2,}", text)) / len(text),
    )
    return dict(zip(TEXT_FEATURES, map(float, values), strict=True))


def user_feature(user, name):
    """A user feature as a number; None where it is missing."""
    value = user.get(name)
    return None if value is None else float(value)


def contract_id(features):
    """The id of an ordered list of features."""
    lines = "".join(f"{f['name']}\t{f['origin']}\t{f['unit']}\n" for f in features)
    return hashlib.sha256(lines.encode()).hexdigest()[:12]
