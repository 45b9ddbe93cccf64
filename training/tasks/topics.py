"""topics-r8 and topics-20ng: one topic a text, in the standard splits."""

from dataclasses import dataclass

import bundle
import calibration
import card
import corpus
import engine
import measure
import numpy as np
from features import Features, Terms
from golden_texts import TEXTS
from linear import Linear, targets
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.naive_bayes import ComplementNB
from sklearn.svm import LinearSVC

VERSION = "1.0.0"
FOLDS = 3


@dataclass
class Task:
    name: str
    data: str
    data_sha256: tuple[str, str]
    parts: bool
    bayes: float
    # The share of its decided texts that shall be right; less sure ones get no topic.
    right_min: float
    published: list
    about: str


R8 = Task(
    "topics-r8",
    "topics-r8",
    (
        "a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
        "8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
    ),
    parts=False,
    bayes=0.0,
    right_min=0.99,
    published=[("linear SVM (Cardoso-Cachopo 2007)", 0.9698)],
    about="Reuters-21578 R8: newswire of 1987 about one of eight topics. The texts come lower-cased and without "
    "punctuation or digits, so numeric text features (capitals, marks, links) would mean little: there are none.",
)
NEWS = Task(
    "topics-20ng",
    "topics-20ng",
    (
        "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
        "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
    ),
    parts=True,
    bayes=1.0,
    right_min=0.95,
    published=[
        ("linear SVM (Cardoso-Cachopo 2007)", 0.8284),
        ("graph network, TextGCN (Yao, Mao, Luo 2019)", 0.8634),
    ],
    about="20 Newsgroups: posts of 1993 to 20 groups, split by date. The texts come lower-cased and without punctuation "
    "or digits, so there are no numeric text features. Subject lines and signatures are in them.",
)


def read(task, root):
    """Training rows without repetitions and without the texts of the test rows; the test rows as they are."""
    parts = [
        engine.rows(corpus.tab(root / f"data/{task.data}/{part}.tab", sha256, task.data))
        for part, sha256 in zip(("train", "test"), task.data_sha256, strict=True)
    ]
    train = corpus.without(corpus.deduplicate(parts[0]), parts[1])
    corpus.assert_apart(train, parts[1])
    return train, parts[1]


def features(task):
    """R8 is small: single words do, and the bundle is small too."""
    if not task.parts:
        return Features([], [Terms("words", 15_000)])
    parts = Terms("parts", min_df=3, analyzer="char_wb", ngram_range=(3, 6))
    return Features([], [Terms("words", min_df=2, ngram_range=(1, 2)), parts])


def train(task, folder, root):
    rows, test = read(task, root)
    labels = sorted({row.label for row in rows})
    model = Linear(lambda: features(task), labels, task.bayes)
    held_out, truth = model.out_of_fold(rows, FOLDS, in_time=True), targets(rows, labels)
    calibrated, losses = calibration.choose(("sigmoid", "isotonic", "temperature"), held_out, truth, exclusive=True)
    held_out = calibration.apply(calibrated, held_out, exclusive=True)
    abstain_below = band(held_out, truth, task.right_min)

    model.fit(rows)
    scores, test_truth = model.scores(test), targets(test, labels)
    probabilities = calibration.apply(calibrated, scores, exclusive=True)
    sure = probabilities.max(axis=1) >= abstain_below
    measured = measure.measures(test_truth, measure.best_of(probabilities))
    naive = calibration.apply({"method": "temperature", "temperature": 1.0}, scores, exclusive=True)
    result = {
        "task": task.name,
        "rows": {"training": len(rows), "test": len(test)},
        "published": task.published,
        "baselines": baselines(rows, test, labels),
        "ours": {name: measured[name] for name in ("accuracy", "macro_f1")},
        "abstaining": {
            "below": abstain_below,
            "decided": round(float(sure.mean()), 5),
            "right": measure.measures(test_truth[sure], measure.best_of(probabilities[sure]))["accuracy"],
        },
        "calibration": {
            "method": calibrated["method"],
            "validation_log_loss": {name: round(loss, 5) for name, loss in losses.items()},
            "before": calibration.quality(naive, test_truth, exclusive=True),
            "after": calibration.quality(probabilities, test_truth, exclusive=True),
        },
        "columns": model.features.width,
        "vectorizers": model.features.summary,
    }
    manifest = {
        "name": task.name,
        "version": VERSION,
        "kind": "MULTICLASS",
        "labels": labels,
        "decision": {"abstain_below": abstain_below, "actions": {}},
        "calibration": calibrated,
        "training": {"data": task.data, "data_sha256": list(task.data_sha256), "rows": result["rows"]},
        "metrics": {"test": {name: values[0] for name, values in result["ours"].items()}},
    }
    gives = f"one of {', '.join(labels)}; or none, below the band"
    text = card.of(manifest, model, result, task.about, gives, f"\n{card.abstaining(result['abstaining'])}\n")
    return bundle.write(folder, manifest, model, [(text, {}) for text in TEXTS], text, test), result


def band(probabilities, truth, right_min):
    """The lowest confidence above which the best label is right often enough."""
    best = measure.best_of(probabilities)
    return measure.threshold_at_precision(probabilities.max(axis=1), (best & truth).any(axis=1), right_min)


def baselines(rows, test, labels):
    """scikit-learn as it comes, on the same rows in the same run."""
    words = TfidfVectorizer()
    inputs, asked = words.fit_transform([row.text for row in rows]), words.transform([row.text for row in test])
    truth, result = targets(test, labels), []
    for name, classifier in (
        ("most frequent label", None),
        ("complement naive Bayes, words", ComplementNB()),
        ("linear SVM, words", LinearSVC(random_state=0)),
    ):
        if classifier:
            chosen = classifier.fit(inputs, [row.label for row in rows]).predict(asked)
        else:
            frequent = max(labels, key=[row.label for row in rows].count)
            chosen = np.full(len(test), frequent)
        measured = measure.measures(truth, chosen[:, np.newaxis] == np.array(labels))
        result.append([name, {of: measured[of] for of in ("accuracy", "macro_f1")}])
    return result
