"""tests/bundles/user-risk: a model whose score depends on user features, and whose graph gives probabilities. Synthetic
data, for tests only."""

import hashlib
import json

import binary
import bundle
import card
import engine
import numpy as np
from corpus import Row
from features import Features, Terms, text_feature, user_feature
from golden_texts import TEXTS
from linear import INPUT, Linear, rounded, targets
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression

NAME, VERSION = "user-risk", "2.0.0"
LABELS = ["normal", "risky"]
SAMPLES, TERMS_MAX = 4000, 24
SHARE, SEED, FOLDS = 0.75, 0, 5
PRECISION_MIN = 0.90

NUMERIC = [
    user_feature("account_age_days", "days"),
    user_feature("follower_count", "followers"),
    user_feature("messages_sent_7d", "messages"),
    *map(
        text_feature,
        ["char_count", "word_count", "url_count", "exclamation_count", "capital_ratio", "unique_word_ratio"],
    ),
]
PLAIN = "hello thanks see you tomorrow at lunch the report is ready call me when home good morning friend".split()
PUSHY = "free offer win prize now click http://example.com/x LIMITED cash bonus!! BUY today!".split()

# As a feature store may hold them: complete, with values missing, an outlier, a flag, nothing.
GOLDEN_USERS = [
    {"account_age_days": 900, "follower_count": 250, "messages_sent_7d": 12},
    {"account_age_days": 0, "follower_count": 0, "messages_sent_7d": 480},
    {"account_age_days": 1.5, "follower_count": None, "messages_sent_7d": 3},
    {"account_age_days": 1e9, "follower_count": 1e12, "messages_sent_7d": -7},
    {"account_age_days": True, "messages_sent_7d": False, "verified": True},
    {},
]
ABOUT = """**Made of synthetic data, for tests only.** Its scores say nothing about any person. It exists so that tests have
a model whose score depends on user features: the pipeline must look them up, default the missing ones and clip the
outliers. `training/tasks/user_risk.py` draws the numbers from fixed distributions and the words from a short list, and a
formula with noise gives the label. Its graph, a logistic regression as skl2onnx writes it, gives probabilities."""


class Logistic(Linear):
    """Logistic regression; its graph is skl2onnx's."""

    output = gives = "probabilities"
    outputs = 2

    def fit(self, rows):
        self.features = self.make_features().fit(rows)
        wanted = targets(rows, self.labels)[:, 0].astype(int)
        self.classifier = LogisticRegression(C=1.0, max_iter=1000).fit(self.features.transform(rows), wanted)
        for name in ("coef_", "intercept_"):
            setattr(self.classifier, name, rounded(getattr(self.classifier, name)))
        return self

    def scores(self, rows):
        return self.classifier.predict_proba(self.features.transform(rows))

    def onnx(self, name):
        made = convert_sklearn(
            self.classifier,
            name=name,
            initial_types=[(INPUT, FloatTensorType([None, self.features.width]))],
            options={id(self.classifier): {"zipmap": False}},
            target_opset={"": 17, "ai.onnx.ml": 3},
        )
        return made.SerializeToString(deterministic=True)


def features():
    return Features(NUMERIC, [Terms("words", TERMS_MAX, ngram_range=(1, 2), sublinear_tf=False)])


def train(folder, root):
    del root
    samples = list(synthetic())
    data = "".join(json.dumps([row.text, row.label, row.user]) + "\n" for row in samples)
    rows, test = binary.split(engine.rows(samples), SHARE, SEED)
    fitted = binary.fit(Logistic(features, LABELS), rows, FOLDS, methods=("none",))
    threshold = fitted.at_precision(PRECISION_MIN)
    result = binary.result_of(NAME, fitted, rows, test, threshold)
    decision = {"threshold": threshold, "actions": {"review": threshold, "block": None}}
    manifest = binary.manifest_of(
        result, VERSION, fitted, decision, "synthetic", hashlib.sha256(data.encode()).hexdigest()
    )
    limits = "Everything in the data is invented."
    text = card.of(manifest, fitted.model, result, ABOUT, "risky, or normal", limits=limits, page=False)
    goldens = [(text, GOLDEN_USERS[index % len(GOLDEN_USERS)]) for index, text in enumerate(TEXTS)]
    return bundle.write(folder, manifest, fitted.model, goldens, text, test), result


def synthetic():
    """Invented messages by invented users. Whole numbers only, so that no processor's rounding shows."""
    random = np.random.RandomState(20)
    for index in range(SAMPLES):
        age, followers, sent = random.randint(0, 2000), random.randint(0, 800), random.randint(0, 300)
        pushy = random.randint(0, 4)
        words = list(random.choice(PLAIN, random.randint(2, 12))) + list(random.choice(PUSHY, pushy))
        words.append(str(index))  # So that no text comes twice.
        risk = 2 * sent + 60 * pushy - age // 5 - followers // 4 + random.randint(-150, 150)
        user = {"account_age_days": age, "follower_count": followers, "messages_sent_7d": sent}
        missing = random.randint(0, 30)
        if missing < len(user):
            user[list(user)[missing]] = None
        yield Row(" ".join(map(str, words)), "risky" if risk > 100 else "normal", user)
