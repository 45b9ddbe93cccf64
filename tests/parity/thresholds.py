"""Computes, with scikit-learn, what `tests/tune.rs` expects of the threshold search and the metrics.

    thresholds.py        writes thresholds.json beside this file

Needs requirements.txt. Each case has its samples, drawn with a fixed seed, and of them:

    curve        precision_recall_curve: [threshold, precision, recall] from the highest threshold to the lowest
    roc_auc, average_precision, brier, log_loss        the functions of these names; none where they are undefined
    calibration  calibration_curve(n_bins=10): [mean probability, share that has the label] of each bin with samples
    ece          sum over those bins of samples / all * |mean probability - share|
    precision    [target, true positives, false positives, fell back] at the highest recall with that precision, of equal
                 recalls the highest precision, else at the best f1_score, of equal ones the highest threshold
    cost         [of a false positive, of a false negative, least sum of costs over all thresholds and above them all]
"""

import json
import pathlib

import numpy
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_curve,
    roc_auc_score,
)

HERE = pathlib.Path(__file__).parent
TARGETS = [0.3, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0]
COSTS = [(1, 1), (10, 1), (1, 10), (1000, 1)]


def samples():
    """Name, probabilities and truth of each case."""
    random = numpy.random.default_rng(6)

    def drawn(size, share, apart, digits=None):
        truth = random.random(size) < share
        score = 1 / (1 + numpy.exp(-(random.normal(size=size) + numpy.where(truth, apart, -apart))))
        return (score if digits is None else score.round(digits)), truth

    yield "few ties", *drawn(200, 0.4, 1.0)
    yield "many ties", *drawn(300, 0.3, 0.7, digits=1)
    yield "rare", *drawn(300, 0.03, 1.5, digits=2)
    yield "hopeless", *drawn(150, 0.3, -1.0, digits=2)
    yield "apart", *drawn(100, 0.5, 6.0)
    yield "all equal", numpy.full(40, 0.5), numpy.arange(40) % 4 == 0
    yield "certain", numpy.array([0.0, 1.0, 1.0, 0.0, 1.0]), numpy.array([False, True, True, True, False])
    yield "no positives", numpy.array([0.1, 0.9, 0.4]), numpy.zeros(3, dtype=bool)
    yield "no negatives", numpy.array([0.1, 0.9, 0.4]), numpy.ones(3, dtype=bool)


def case(name, score, truth):
    # What a model gives has 32 bits; the figures are computed in 64.
    score = score.astype(numpy.float32).astype(numpy.float64)
    found = dict(name=name, samples=[[float(p), bool(t)] for p, t in zip(score, truth)])
    found |= dict(brier=brier_score_loss(truth, score, pos_label=True), log_loss=log_loss(truth, score, labels=[0, 1]))
    share, mean = calibration_curve(truth, score, n_bins=10)
    found["calibration"] = [[float(m), float(s)] for m, s in zip(mean, share)]
    bins = numpy.searchsorted(numpy.linspace(0, 1, 11)[1:-1], score)
    sizes = [int((bins == b).sum()) for b in sorted(set(bins))]
    found["ece"] = float(sum(n * abs(m - s) for n, m, s in zip(sizes, mean, share)) / len(score))
    found["roc_auc"] = roc_auc_score(truth, score) if 0 < truth.sum() < len(truth) else None
    found["average_precision"] = average_precision_score(truth, score) if truth.any() else None
    if not truth.any():
        return found | dict(curve=[], precision=[], cost=[])

    precision, recall, thresholds = precision_recall_curve(truth, score)
    points = list(zip(thresholds, precision, recall))[::-1]
    found["curve"] = [[float(value) for value in point] for point in points]
    counts = {t: confusion_matrix(truth, score >= t, labels=[False, True]).ravel() for t in thresholds}
    f1 = {t: f1_score(truth, score >= t) for t in thresholds}

    def at_precision(target):
        reached = [(r, p, t) for t, p, r in points if p >= target]
        chosen = max(reached)[2] if reached else max(thresholds, key=lambda t: (f1[t], t))
        _, wrong, _, caught = counts[chosen]
        return [target, int(caught), int(wrong), not reached]

    def least(false_positive, false_negative):
        nothing = [int(truth.sum()) * false_negative] if score.max() < 1 else []
        sums = [int(fp) * false_positive + int(fn) * false_negative for _, fp, fn, _ in counts.values()]
        return [false_positive, false_negative, min(sums + nothing)]

    return found | dict(precision=[at_precision(t) for t in TARGETS], cost=[least(*cost) for cost in COSTS])


def main():
    cases = [json.dumps(case(*given)) for given in samples()]
    (HERE / "thresholds.json").write_text("[\n" + ",\n".join(cases) + "\n]\n")


if __name__ == "__main__":
    main()
