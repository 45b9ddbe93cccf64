"""Numbers and terms to columns: what the engine's transformer does, fitted on training rows.

The numbers of a text are the engine's (engine.py); the terms are scikit-learn's, and golden vectors hold the engine to them.
"""

import numpy as np
import reference
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

CLIP_PERCENTILE = 99.5
# Written numbers keep so many digits, and the model learns on what is written.
DIGITS, MEAN_DIGITS = 9, 4


def rounded(value, digits=DIGITS):
    return float(f"{value:.{digits - 1}e}")


class Numbers:
    """Numeric features: defaults for missing values, clipped, scaled."""

    def __init__(self, features):
        """`features`: [{name, origin, unit}]"""
        self.features = [dict(feature) for feature in features]

    def fit(self, rows):
        for feature, values in zip(self.features, self.raw(rows).T, strict=True):
            known = values[~np.isnan(values)]
            low, high = known.min(), np.percentile(known, CLIP_PERCENTILE, method="higher")
            feature["default"] = 0.0 if feature["origin"] == "text" else rounded(np.median(known))
            feature["clip"] = [rounded(low), rounded(high if high > low else known.max())]
            clipped = self._filled(feature, values)
            feature["mean"], feature["scale"] = rounded(clipped.mean()), rounded(clipped.std())
            if feature["scale"] <= 0:
                raise SystemExit(f"{feature['name']} is the same in every training row; leave it out")
        return self

    def raw(self, rows):
        """[rows, features]; NaN where a value is missing."""
        values = np.full((len(rows), len(self.features)), np.nan)
        for index, row in enumerate(rows):
            known = row.numbers | row.user
            values[index] = [np.nan if known.get(f["name"]) is None else known[f["name"]] for f in self.features]
        return values

    def transform(self, rows):
        values = self.raw(rows)
        columns = [
            (self._filled(feature, column) - feature["mean"]) / feature["scale"]
            for feature, column in zip(self.features, values.T, strict=True)
        ]
        return np.column_stack(columns)

    @staticmethod
    def _filled(feature, values):
        return np.clip(np.where(np.isnan(values), feature["default"], values), *feature["clip"])


class Terms:
    """One TF-IDF vectorizer; as TfidfVectorizer, but ties of `terms_max` are cut by the alphabet, not a sort's whim."""

    def __init__(self, name, terms_max=None, min_df=1, leave_out=None, **options):
        """`options`: analyzer, ngram_range, lowercase, sublinear_tf of scikit-learn. Terms that match `leave_out` get no
        column."""
        self.name, self.terms_max, self.min_df, self.leave_out = name, terms_max, min_df, leave_out
        self.options = {"analyzer": "word", "ngram_range": (1, 1), "lowercase": True, "sublinear_tf": True} | options

    def fit(self, texts):
        everything = TfidfVectorizer(min_df=self.min_df, **self.options)
        counts = np.asarray(everything.fit_transform(texts).astype(bool).sum(axis=0)).ravel()
        terms = everything.get_feature_names_out()
        ranked = terms[np.lexsort((terms.astype(str), -counts))]
        if self.leave_out:
            ranked = [term for term in ranked if not self.leave_out.search(term)]
        self.terms = sorted(ranked[: self.terms_max])
        idf = dict(zip(terms, everything.idf_, strict=True))
        self.vectorizer = TfidfVectorizer(vocabulary=self.terms, **self.options)
        self.vectorizer.idf_ = np.array([rounded(idf[term]) for term in self.terms])
        self.means = np.asarray(self.transform(texts).mean(axis=0)).ravel()
        return self

    def transform(self, texts):
        return self.vectorizer.transform(texts)

    @property
    def manifest(self):
        low, high = self.options["ngram_range"]
        return {
            "name": self.name,
            "file": f"terms-{self.name}.tsv",
            "analyzer": self.options["analyzer"],
            "ngram_min": low,
            "ngram_max": high,
            "lowercase": self.options["lowercase"],
            "sublinear_tf": self.options["sublinear_tf"],
            "norm": "l2",
        }

    @property
    def file(self):
        lines = zip(self.terms, self.vectorizer.idf_, self.means, strict=True)
        return "".join(f"{escaped(term)}\t{float(idf)!r}\t{rounded(mean, MEAN_DIGITS)!r}\n" for term, idf, mean in lines)


class SharedTerms(Terms):
    """Terms for several models of the same texts: fitted once a set of texts, which takes longest."""

    def __init__(self, shared, *arguments, **options):
        """`shared`: a dict, the same for all of these models."""
        super().__init__(*arguments, **options)
        self.shared, self.rows = shared, {}

    def fit(self, texts):
        key = tuple(texts)
        if key not in self.shared:
            self.shared[key] = super().fit(texts)
        return self.shared[key]

    def transform(self, texts):
        key = tuple(texts)
        if key not in self.rows:
            self.rows[key] = super().transform(texts)
        return self.rows[key]


def escaped(term):
    for character, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        term = term.replace(character, written)
    return term


class Features:
    """Numbers, then the columns of each vectorizer."""

    def __init__(self, numeric, vectorizers):
        self.numbers, self.vectorizers = Numbers(numeric), vectorizers

    def fit(self, rows):
        if self.numbers.features:
            self.numbers.fit(rows)
        texts = [row.text for row in rows]
        self.vectorizers = [terms.fit(texts) for terms in self.vectorizers]
        return self

    def transform(self, rows):
        """Sparse [rows, columns]."""
        texts = [row.text for row in rows]
        blocks = [terms.transform(texts) for terms in self.vectorizers]
        if self.numbers.features:
            blocks.insert(0, csr_matrix(self.numbers.transform(rows)))
        return hstack(blocks).tocsr()

    @property
    def summary(self):
        return [terms.manifest | {"count": len(terms.terms)} for terms in self.vectorizers]

    @property
    def width(self):
        return len(self.numbers.features) + sum(len(terms.terms) for terms in self.vectorizers)


def text_feature(name):
    return {"name": name, "origin": "text", "unit": reference.TEXT_FEATURES[name]}


def user_feature(name, unit):
    return {"name": name, "origin": "user", "unit": unit}
