"""What every model of two labels does: fit, calibrate, set thresholds, and say how good it is."""

from dataclasses import dataclass

import calibration
import corpus
import measure
import numpy as np
from linear import Linear, targets
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.svm import LinearSVC

PLAIN_SIGMOID = {"method": "sigmoid", "labels": [{"a": -1.0, "b": 0.0}]}
MEASURES = ("precision", "recall", "false_positive_rate")


@dataclass
class Fitted:
    """A model with its calibration, and what it gave its training rows while it had not seen them."""

    model: Linear
    calibrated: dict
    losses: dict
    held_out: np.ndarray
    truth: np.ndarray

    def judge(self, rows):
        """Probabilities of the positive label."""
        return calibration.apply(self.calibrated, self.model.scores(rows), exclusive=False)[:, -1]

    def at_precision(self, precision_min):
        return measure.threshold_at_precision(self.held_out, self.truth, precision_min)

    def at_rate(self, rate_max):
        return measure.threshold_at_rate(self.held_out, self.truth, rate_max)


def fit(model, rows, folds, in_time=False, methods=("sigmoid", "isotonic")):
    """`model` has not learnt yet."""
    truth, held_out = targets(rows, model.labels), model.out_of_fold(rows, folds, in_time)[:, -1:]
    calibrated, losses = calibration.choose(methods, held_out, truth, exclusive=False)
    held_out = calibration.apply(calibrated, held_out, exclusive=False)[:, -1]
    return Fitted(model.fit(rows), calibrated, losses, held_out, truth[:, 0])


def split(rows, share, seed):
    """At random, each label in its share."""
    train, test = train_test_split(rows, train_size=share, stratify=[row.label for row in rows], random_state=seed)
    corpus.assert_apart(train, test)
    return train, test


def judged(fitted, test, threshold):
    """Measures of the decisions on the test rows."""
    asked = targets(test, fitted.model.labels)
    measured = measure.measures(asked, fitted.judge(test)[:, np.newaxis] >= threshold)
    return {name: measured[name] for name in MEASURES}


def words_baseline(train, test, labels):
    """Scores of a linear SVM on words, as scikit-learn comes."""
    words = TfidfVectorizer()
    inputs, asked = words.fit_transform([row.text for row in train]), words.transform([row.text for row in test])
    return LinearSVC(random_state=0).fit(inputs, targets(train, labels)[:, 0]).decision_function(asked)


def result_of(name, fitted, train, test, threshold):
    """What training/results/ keeps of the committed model."""
    asked = targets(test, fitted.model.labels)
    calibrated = {
        "method": fitted.calibrated["method"],
        "validation_log_loss": {method: round(loss, 5) for method, loss in fitted.losses.items()},
        "after": calibration.quality(fitted.judge(test)[:, np.newaxis], asked, exclusive=False),
    }
    if fitted.model.gives == "scores":
        plain = calibration.apply(PLAIN_SIGMOID, fitted.model.scores(test), exclusive=False)
        calibrated["before"] = calibration.quality(plain, asked, exclusive=False)
    return {
        "task": name,
        "rows": {"training": len(train), "test": len(test)},
        "published": [],
        "ours": judged(fitted, test, threshold),
        "calibration": calibrated,
        "columns": fitted.model.features.width,
        "vectorizers": fitted.model.features.summary,
    }


def manifest_of(result, version, fitted, decision, data, data_sha256):
    return {
        "name": result["task"],
        "version": version,
        "kind": "BINARY",
        "labels": fitted.model.labels,
        "decision": {"positive": fitted.model.labels[1]} | decision,
        "calibration": fitted.calibrated,
        "training": {"data": data, "data_sha256": [data_sha256], "rows": result["rows"]},
        "metrics": {"test": {name: values[0] for name, values in result["ours"].items()}},
    }
