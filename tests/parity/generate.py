"""Computes, with Python and scikit-learn, what `tests/parity.rs` expects of the Rust code.

    generate.py fixtures        writes characters.json.gz and texts.ndjson.gz beside this file
    generate.py answers FILE    writes the same as texts.ndjson to standard output, for the texts of FILE,
                                one a line, behind a label and a tab

Needs Python 3.11, whose Unicode is version 14, and requirements.txt.

The first line of texts.ndjson holds the vectorizers, fitted on all texts. Each further line is one text:

    text      as a producer might write it
    heard     after intake; none if nothing is left, absent if unchanged
    features  of `text` itself, so that they also see what intake would remove
    tokens    of `text`: how many, and how many are no term of the first vectorizer
    rows      columns and weights of `text`, one pair of lists per vectorizer; every tenth text has them all
"""

import gzip
import html
import json
import pathlib
import re
import sys
import unicodedata

import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer

import texts as synthetic

HERE = pathlib.Path(__file__).parent
TEXT_CHARS_MAX = 10_000
OPTIONS = [
    dict(ngram_min=1, ngram_max=2, lowercase=True, sublinear_tf=False, norm="l2"),
    dict(ngram_min=2, ngram_max=2, lowercase=True, sublinear_tf=False, norm="l2"),
    dict(ngram_min=1, ngram_max=3, lowercase=False, sublinear_tf=True, norm="l1"),
    dict(ngram_min=1, ngram_max=1, lowercase=True, sublinear_tf=True, norm="none"),
    dict(analyzer="char", ngram_min=2, ngram_max=4, lowercase=True, sublinear_tf=True, norm="l2"),
    dict(analyzer="char_wb", ngram_min=4, ngram_max=5, lowercase=True, sublinear_tf=True, norm="l2"),
    dict(analyzer="char_wb", ngram_min=1, ngram_max=3, lowercase=False, sublinear_tf=False, norm="l1"),
]
TERMS_MAX = [1000, 100, 100, 100, 2000, 2000, 500]


def sanitize(text):
    text = unicodedata.normalize("NFKC", html.unescape(text))
    text = "".join(c for c in text if unicodedata.category(c)[0] != "C" or c in "\n\r\t")
    return " ".join(text.split())


def hear(text):
    text = text.strip()
    if not text:
        return None
    return sanitize(text)[:TEXT_CHARS_MAX] or None


def features(text):
    words = text.split()
    chars, count = len(text), len(words)
    return [
        chars,
        count,
        sum(len(word) for word in words) / count if count else 0,
        text.count("http"),
        text.count("@"),
        text.count("!"),
        text.count("?"),
        sum(c.isupper() for c in text) / chars if chars else 0,
        len(set(text.lower().split())) / count if count else 0,
        len(re.findall(r"(.)\1{2,}", text)) / chars if chars else 0,
    ]


def fit(texts, options, terms_max):
    vectorizer = TfidfVectorizer(
        analyzer=options.get("analyzer", "word"),
        max_features=terms_max,
        ngram_range=(options["ngram_min"], options["ngram_max"]),
        lowercase=options["lowercase"],
        sublinear_tf=options["sublinear_tf"],
        norm=None if options["norm"] == "none" else options["norm"],
    )
    return vectorizer.fit(texts)


def row(vectorizer, text):
    matrix = vectorizer.transform([text])
    matrix.sort_indices()
    return [matrix.indices.tolist(), [round(weight, 8) for weight in matrix.data.tolist()]]


def tokens(vectorizer, text):
    found = vectorizer.build_tokenizer()(vectorizer.build_preprocessor()(text))
    return [len(found), sum(token not in vectorizer.vocabulary_ for token in found)]


def answers(texts):
    vectorizers = [fit(texts, options, terms_max) for options, terms_max in zip(OPTIONS, TERMS_MAX)]
    yield {
        "python": sys.version.split()[0],
        "scikit_learn": sklearn.__version__,
        "vectorizers": [
            {"options": options, "terms": list(zip(vectorizer.get_feature_names_out(), vectorizer.idf_.tolist()))}
            for options, vectorizer in zip(OPTIONS, vectorizers)
        ],
    }
    for number, text in enumerate(texts):
        heard = hear(text)
        yield {
            "text": text,
            **({} if heard == text else {"heard": heard}),
            "features": [round(feature, 9) for feature in features(text)],
            "tokens": tokens(vectorizers[0], text),
            "rows": [row(vectorizer, text) for vectorizer in (vectorizers if number % 10 == 0 else vectorizers[:1])],
        }


def ranges(predicate):
    """The code points that fulfil it, as [first, last] pairs."""
    found = []
    for code in range(sys.maxunicode + 1):
        if 0xD800 <= code <= 0xDFFF or not predicate(chr(code)):
            continue
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def characters():
    assigned = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Cs")]
    return {
        "unicode": unicodedata.unidata_version,
        "assigned": ranges(lambda c: unicodedata.category(c) != "Cn"),
        "upper": ranges(str.isupper),
        "space": ranges(str.isspace),
        "word": ranges(re.compile(r"\w").match),
        "other": ranges(lambda c: unicodedata.category(c) in ("Cc", "Cf", "Co")),
        "lower": {c: c.lower() for c in assigned if c.lower() != c},
        # Alone, a character of category C leaves nothing; that is checked by `other`.
        "sanitized": {c: sanitize(c) for c in assigned if unicodedata.category(c)[0] != "C" and sanitize(c) != c},
    }


def lines(records):
    return "".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in records).encode()


def main():
    if unicodedata.unidata_version != "14.0.0":
        sys.exit(f"Unicode is {unicodedata.unidata_version}; run this with Python 3.11, whose Unicode is 14.0.0")
    match sys.argv[1:]:
        case ["fixtures"]:
            for name, records in [("characters.json", [characters()]), ("texts.ndjson", answers(synthetic.texts()))]:
                (HERE / f"{name}.gz").write_bytes(gzip.compress(lines(records), 9, mtime=0))
        case ["answers", path]:
            with open(path, encoding="utf-8", newline="\n") as file:
                texts = [line.rstrip("\n").partition("\t")[2] for line in file]
            sys.stdout.buffer.write(lines(answers(texts)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
