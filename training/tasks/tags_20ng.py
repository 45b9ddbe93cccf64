"""Several tags a text, from the parts of a news group's name: tags-20ng, and tests/bundles/tags, a small one for tests."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import bundle
import calibration
import card
import corpus
import measure
from features import Features, Terms
from golden_texts import TEXTS
from linear import Linear, targets
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC
from tasks import topics

VERSION = "1.0.0"
FOLDS = 3


def words_and_parts():
    parts = Terms("parts", min_df=5, terms_max=100_000, analyzer="char_wb", ngram_range=(3, 5))
    return Features([], [Terms("words", min_df=2, terms_max=100_000, ngram_range=(1, 2)), parts])


def few_words():
    return Features([], [Terms("words", 1_500)])


@dataclass
class Task:
    name: str
    features: Callable[[], Features]
    about: str
    actions: dict = field(default_factory=dict)


ABOUT = """Tags of a post, from the name of the group it was sent to: `comp.sys.mac.hardware` is comp, sys, mac and
hardware. The posts and their split are those of topics-20ng."""
NEWS = Task("tags-20ng", words_and_parts, ABOUT)
SMALL = Task(
    "tags",
    few_words,
    ABOUT + " **Small, for tests only**: of few words, and its actions\nmean nothing, but that there are both.",
    {"forsale": "REVIEW", "guns": "BLOCK"},
)


def read(root):
    parts = topics.read(topics.NEWS, root)
    return [[replace(row, label=tuple(row.label.split("."))) for row in rows] for rows in parts]


def train(task, folder, root):
    rows, test = read(root)
    labels = sorted({label for row in rows for label in row.label})
    model = Linear(task.features, labels)
    held_out, truth = model.out_of_fold(rows, FOLDS, in_time=True), targets(rows, labels)
    calibrated, losses = calibration.choose(("sigmoid", "isotonic"), held_out, truth, exclusive=False)
    held_out = calibration.apply(calibrated, held_out, exclusive=False)
    columns = zip(held_out.T, truth.T, strict=True)
    thresholds = [measure.threshold_for_f1(column, of_label) for column, of_label in columns]

    model.fit(rows)
    scores, test_truth = model.scores(test), targets(test, labels)
    probabilities = calibration.apply(calibrated, scores, exclusive=False)
    measured = measure.measures(test_truth, probabilities >= thresholds)
    plain = calibration.apply({"method": "sigmoid", "labels": [{"a": -1.0, "b": 0.0}] * len(labels)}, scores, False)
    result = {
        "task": task.name,
        "rows": {"training": len(rows), "test": len(test)},
        "published": [],
        "baselines": baselines(rows, test, labels),
        "ours": {name: measured[name] for name in ("micro_f1", "macro_f1", "accuracy")},
        "calibration": {
            "method": calibrated["method"],
            "validation_log_loss": {name: round(loss, 5) for name, loss in losses.items()},
            "before": calibration.quality(plain, test_truth, exclusive=False),
            "after": calibration.quality(probabilities, test_truth, exclusive=False),
        },
        "columns": model.features.width,
        "vectorizers": model.features.summary,
    }
    manifest = {
        "name": task.name,
        "version": VERSION,
        "kind": "MULTILABEL",
        "labels": labels,
        "decision": {"thresholds": dict(zip(labels, thresholds, strict=True)), "actions": task.actions},
        "calibration": calibrated,
        "training": {"data": NEWS.name, "data_sha256": list(topics.NEWS.data_sha256), "rows": result["rows"]},
        "metrics": {"test": {name: values[0] for name, values in result["ours"].items()}},
    }
    gives = "several tags or none, each by a threshold of its own"
    text = card.of(manifest, model, result, task.about, gives, page=task is NEWS)
    return bundle.write(folder, manifest, model, [(text, {}) for text in TEXTS], text, test), result


def baselines(rows, test, labels):
    """One-vs-rest linear SVM on words, as scikit-learn has it, in the same run."""
    words = TfidfVectorizer()
    inputs, asked = words.fit_transform([row.text for row in rows]), words.transform([row.text for row in test])
    machine = OneVsRestClassifier(LinearSVC(random_state=0)).fit(inputs, targets(rows, labels))
    measured = measure.measures(targets(test, labels), machine.predict(asked).astype(bool))
    return [["one-vs-rest linear SVM, words", {name: measured[name] for name in ("micro_f1", "macro_f1", "accuracy")}]]
