"""tags-20ng: the parts of a news group's name as tags, several a text."""

from golden_texts import TEXTS
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from tasks import bundle, calibration, card, corpus, measure, topics
from tasks.features import Features, Terms
from tasks.linear import Linear, targets

NAME, VERSION = "tags-20ng", "1.0.0"
FOLDS = 3
ABOUT = """Tags of a post, from the name of the group it was sent to: `comp.sys.mac.hardware` is comp, sys, mac and
hardware. The posts and their split are those of topics-20ng."""


def read(root):
    parts = topics.read(topics.NEWS, root)
    return [[corpus.Row(row.text, tuple(row.label.split("."))) for row in rows] for rows in parts]


def features():
    parts = Terms("parts", min_df=5, terms_max=100_000, analyzer="char_wb", ngram_range=(3, 5))
    return Features([], [Terms("words", min_df=2, terms_max=100_000, ngram_range=(1, 2)), parts])


def train(folder, root):
    rows, test = read(root)
    labels = sorted({label for row in rows for label in row.label})
    model = Linear(features, labels)
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
        "task": NAME,
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
        "name": NAME,
        "version": VERSION,
        "kind": "MULTILABEL",
        "labels": labels,
        "decision": {"thresholds": dict(zip(labels, thresholds, strict=True)), "actions": {}},
        "calibration": calibrated,
        "training": {"data": NAME, "data_sha256": list(topics.NEWS.data_sha256), "rows": result["rows"]},
        "metrics": {"test": {name: values[0] for name, values in result["ours"].items()}},
    }
    text = card.of(manifest, result, ABOUT, "several tags or none, each by a threshold of its own")
    return bundle.write(folder, manifest, model, [(text, {}) for text in TEXTS], text), result


def baselines(rows, test, labels):
    """One-vs-rest linear SVM on words, as scikit-learn has it, in the same run."""
    words = TfidfVectorizer()
    inputs, asked = words.fit_transform([row.text for row in rows]), words.transform([row.text for row in test])
    machine = OneVsRestClassifier(LinearSVC(random_state=0)).fit(inputs, targets(rows, labels))
    measured = measure.measures(targets(test, labels), machine.predict(asked).astype(bool))
    return [["one-vs-rest linear SVM, words", {name: measured[name] for name in ("micro_f1", "macro_f1", "accuracy")}]]
