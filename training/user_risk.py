"""tests/bundles/user-risk: a model whose score depends on user features. Made of synthetic data, for tests only."""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

import bundle
import card
import engine
import evaluate
import graph
from folds import split
from golden_texts import TEXTS
from rows import Rows, text_feature, user_feature

VERSION = "1.0.0"
SAMPLES = 4000
TERMS_MAX = 24
PRECISION_MIN = 0.90

FEATURES = [
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


def train(folder, root):
    del root
    data = "".join(json.dumps(sample) + "\n" for sample in synthetic())
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "messages.ndjson"
        path.write_text(data, encoding="utf-8")
        folds = split(engine.export(path, positive_label="risky"))
    rows = Rows(FEATURES, folds["train"], TERMS_MAX)
    labels = [int(sample.positive) for sample in folds["train"]]
    classifier = LogisticRegression(C=1.0, max_iter=1000).fit(rows.transform(folds["train"]).astype(float), labels)
    onnx = graph.to_onnx(graph.round_weights(classifier), "user-risk", rows.width)
    threshold = evaluate.threshold_for(*scores(rows, onnx, folds["validation"]), PRECISION_MIN)
    manifest = {
        "name": "user-risk",
        "version": VERSION,
        "kind": "BINARY",
        "labels": ["normal", "risky"],
        "positive": "risky",
        "threshold": threshold,
        "actions": {"review": threshold, "block": None},
        "training": {
            "data": "synthetic",
            "data_sha256": hashlib.sha256(data.encode()).hexdigest(),
            "folds": {name: len(fold) for name, fold in folds.items()},
        },
        "metrics": {
            name: evaluate.measures(*scores(rows, onnx, folds[name]), threshold) for name in ("validation", "held_out")
        },
    }
    goldens = bundle.goldens(rows, onnx, TEXTS, GOLDEN_USERS)
    digest = bundle.write(folder, manifest, rows, onnx, goldens)
    (folder / "MODEL_CARD.md").write_text(card.user_risk(manifest, rows, folds, digest), encoding="utf-8")
    return digest


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
        yield {"text": " ".join(map(str, words)), "label": "risky" if risk > 100 else "normal", "user": user}


def scores(rows, onnx, fold):
    """Labels and probabilities of a fold."""
    positive = np.array([sample.positive for sample in fold])
    return positive, graph.probabilities(onnx, rows.transform(fold))[:, 1]
