"""Computes, with scikit-learn, what `tests/calibration.rs` expects of calibration.

    calibration.py        writes calibration.json beside this file

Needs requirements.txt. Each case: the manifest's `calibration` with what CalibratedClassifierCV fitted on drawn scores of
a model that is fixed; `exclusive`, whether one label is right; other scores, as a graph would give them; and the
probabilities that predict_proba gives for those (one-vs-rest where several labels may be right). Where there are no scores
of a graph, but probabilities, `gives` says so.

The training fits its calibrators itself (training/calibration.py); `fit` holds them against the same.
"""

import json
import pathlib
import sys

import numpy
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "training"))
import calibration as training  # noqa: E402

ROWS, ASKED = 400, 40


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose scores are its input."""

    def fit(self, scores, truth):
        self.classes_ = numpy.unique(truth)
        self.n_features_in_ = scores.shape[1]
        return self

    def decision_function(self, scores):
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, scores):
        return self.classes_[scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0).astype(int)]


def calibrated(method, scores, truth, asked):
    """What was fitted, and the probabilities of the rows that are asked."""
    model = CalibratedClassifierCV(FrozenEstimator(Given().fit(scores, truth)), method=method, cv=None)
    model.fit(scores, truth)
    return [c for one in model.calibrated_classifiers_ for c in one.calibrators], model.predict_proba(asked)


def manifest(method, calibrators, columns):
    if method == "temperature":
        # Of one column s scikit-learn makes the two logits -s and s, which are 2 s apart.
        return {"method": method, "temperature": float(1 / calibrators[0].beta_) / (2 if columns == 1 else 1)}
    if method == "sigmoid":
        labels = [{"a": float(c.a_), "b": float(c.b_)} for c in calibrators]
    else:
        # 32 bits, as scikit-learn keeps them when its input has 32 bits.
        labels = [{"x": c.X_thresholds_.tolist(), "y": c.y_thresholds_.tolist()} for c in calibrators]
    return {"method": method, "labels": labels}


def drawn(labels):
    random = numpy.random.default_rng(11)
    truth = random.integers(0, labels, ROWS)
    columns = 1 if labels == 2 else labels
    signal = (truth * 2 - 1)[:, None] if columns == 1 else numpy.eye(labels)[truth] * 2
    scores = (random.normal(size=(ROWS, columns)) + signal).astype(numpy.float32).astype(float)
    # The asked ones lie far outside, too.
    asked = (random.normal(size=(ASKED, columns)) * 3).astype(numpy.float32).astype(float)
    return scores, truth, asked


def agree(method, scores, truth, exclusive, asked, expected):
    """The training's own fit comes to the same."""
    wanted = truth[:, None] == (numpy.array([1]) if scores.shape[1] == 1 else numpy.arange(scores.shape[1]))
    ours = training.apply(training.fit(method, scores, wanted), asked, exclusive and scores.shape[1] > 1)
    theirs = expected if ours.shape[1] == expected.shape[1] else expected[:, 1:]
    differ = float(abs(ours - theirs).max())
    assert differ < 1e-4, (method, differ)
    return differ


def cases():
    for labels in (2, 4):
        scores, truth, asked = drawn(labels)
        for method in ("sigmoid", "isotonic", "temperature"):
            calibrators, expected = calibrated(method, scores, truth, asked)
            # The training takes no temperature of one column.
            fit = None if method == "temperature" and labels == 2 else agree(method, scores, truth, True, asked, expected)
            name = f"{method}, {labels} labels"
            yield dict(name=name, exclusive=True, training_differs=fit), manifest(method, calibrators, scores.shape[1]), asked, expected
    scores, truth, asked = drawn(4)
    for method in ("sigmoid", "isotonic"):
        columns = [calibrated(method, scores[:, [c]], truth == c, asked[:, [c]]) for c in range(4)]
        expected = numpy.column_stack([found[:, 1] for _, found in columns])
        fit = agree(method, scores, truth, False, asked, expected)
        head = dict(name=f"{method}, several labels", exclusive=False, training_differs=fit)
        fitted = [calibrators[0] for calibrators, _ in columns]
        yield head, manifest(method, fitted, 1), asked, expected


def main():
    lines = [
        json.dumps(head | dict(calibration=method, scores=asked.tolist(), expected=expected.tolist()))
        for head, method, asked, expected in cases()
    ]
    (HERE / "calibration.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
