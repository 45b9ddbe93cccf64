"""Numeric features and terms to rows, fitted on the training fold. Mirrors the engine's FeatureTransformer."""

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

import reference

NGRAM_RANGE = (1, 2)
# A value past this share of the training fold is an outlier.
CLIP_PERCENTILE = 99.5
# Written numbers keep so many digits, and the model learns on what is written: the last bits of a sum differ between
# processors, and would change the bundle's digest.
DIGITS = 9


def rounded(value):
    return float(f"{value:.{DIGITS - 1}e}")


class Rows:
    """Features in the contract's order, then terms in the vocabulary's."""

    def __init__(self, features, samples, terms_max):
        """`features`: [{name, origin, unit}]; fits defaults, clipping, scaling, vocabulary and idf on `samples`."""
        self.features = [dict(feature) for feature in features]
        for feature in self.features:
            self._fit_numeric(feature, np.array([raw_value(s, feature) for s in samples], dtype=float))
        self._fit_terms([sample.text for sample in samples], terms_max)

    def _fit_numeric(self, feature, values):
        """NaN is missing. The default is the median, so that a missing value says as little as possible."""
        known = values[~np.isnan(values)]
        is_text = feature["origin"] == "text"
        feature["default"] = 0.0 if is_text else rounded(np.median(known))
        low, high = known.min(), np.percentile(known, CLIP_PERCENTILE, method="higher")
        high = high if high > low else known.max()  # A rare feature: its few values are no outliers.
        feature["clip"] = [rounded(low), rounded(high)]
        clipped = np.clip(np.where(np.isnan(values), feature["default"], values), *feature["clip"])
        feature["mean"], feature["scale"] = rounded(clipped.mean()), rounded(clipped.std())
        if feature["scale"] <= 0:
            raise SystemExit(f"{feature['name']} is the same in every training sample; leave it out")

    def _fit_terms(self, texts, terms_max):
        """As max_features chooses, but equally frequent terms in the order of the alphabet, not of a sort's whim."""
        counter = CountVectorizer(ngram_range=NGRAM_RANGE)
        counts = np.asarray(counter.fit_transform(texts).sum(axis=0)).ravel()
        ranked = sorted(zip(-counts, counter.get_feature_names_out()))
        self.terms = sorted(term for _, term in ranked[:terms_max])
        self.vectorizer = TfidfVectorizer(vocabulary=self.terms, ngram_range=NGRAM_RANGE).fit(texts)
        self.vectorizer.idf_ = np.array([rounded(idf) for idf in self.vectorizer.idf_])

    @property
    def width(self):
        return len(self.features) + len(self.terms)

    def raw(self, sample):
        """One number or None per feature."""
        return [raw_value(sample, feature) for feature in self.features]

    def numeric(self, sample):
        """The same, made ready."""
        row = []
        for feature, value in zip(self.features, self.raw(sample), strict=True):
            value = feature["default"] if value is None else value
            low, high = feature["clip"]
            row.append((min(max(value, low), high) - feature["mean"]) / feature["scale"])
        return row

    def terms_of(self, text):
        """[(column, weight)] in the order of the columns."""
        row = self.vectorizer.transform([text]).tocoo()
        return sorted((int(column), float(weight)) for column, weight in zip(row.col, row.data))

    def transform(self, samples):
        """float32 [samples, features + terms]: what the graph reads."""
        numeric = np.array([self.numeric(sample) for sample in samples])
        terms = self.vectorizer.transform([sample.text for sample in samples]).toarray()
        return np.hstack([numeric, terms]).astype(np.float32)


def raw_value(sample, feature):
    if feature["origin"] == "user":
        return reference.user_feature(sample.user, feature["name"])
    return sample.features[list(reference.TEXT_FEATURES).index(feature["name"])]


def text_feature(name):
    return {"name": name, "origin": "text", "unit": reference.TEXT_FEATURES[name]}


def user_feature(name, unit):
    return {"name": name, "origin": "user", "unit": unit}
