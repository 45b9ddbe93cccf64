"""Measures of decisions, with 95 % intervals by resampling the test rows; thresholds from out-of-fold scores."""

import numpy as np

RESAMPLES, SEED = 1000, 6


def ratio(above, below):
    """0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros_like(above, dtype=float), where=below > 0)


def measures(truth, chosen):
    """{name: [value, low, high]} of [rows, columns] right and chosen labels."""
    rows = len(truth)
    random = np.random.RandomState(SEED)
    weights = np.vstack([np.ones(rows), random.multinomial(rows, np.full(rows, 1 / rows), RESAMPLES)])
    hit, wrong, missed = (weights @ cells for cells in (truth & chosen, ~truth & chosen, truth & ~chosen))
    quiet = weights @ (~truth & ~chosen)
    every_f1 = ratio(2 * hit, 2 * hit + wrong + missed)
    hits, wrongs, misses, quiets = (cells.sum(axis=1) for cells in (hit, wrong, missed, quiet))
    values = {
        "accuracy": weights @ (truth == chosen).all(axis=1) / rows,
        "precision": ratio(hits, hits + wrongs),
        "recall": ratio(hits, hits + misses),
        "micro_f1": ratio(2 * hits, 2 * hits + wrongs + misses),
        "macro_f1": every_f1.mean(axis=1),
        "false_positive_rate": ratio(wrongs, wrongs + quiets),
    }
    return {name: interval(samples) for name, samples in values.items()}


def interval(samples):
    """The first is of the rows themselves, the others are of resampled ones."""
    low, high = np.percentile(samples[1:], [2.5, 97.5])
    return [round(float(value), 5) for value in (samples[0], low, high)]


def best_of(scores):
    """[rows, columns] true for the highest score of each row."""
    return np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, np.newaxis]


def between(scores, lowest):
    """Half-way from the lowest score that is taken to the next one, so that no rounding crosses it."""
    below = scores[scores < lowest]
    return round(float((lowest + below.max()) / 2 if len(below) else lowest / 2), 6)


def threshold_at_precision(scores, truth, precision_min):
    """The lowest threshold, so the highest recall, with at least this precision."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.diff(scores[order]) != 0, True)  # Equal scores are taken together.
    precision = np.cumsum(truth[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(ends & (precision >= precision_min))
    if not len(enough):
        raise SystemExit(f"no threshold reaches a precision of {precision_min} on the validation scores")
    return between(scores, scores[order][enough[-1]])


def threshold_at_rate(scores, truth, rate_max):
    """The lowest threshold with at most this share of the negatives at or above it."""
    negatives = np.sort(scores[~truth])[::-1]
    allowed = int(rate_max * len(negatives))
    above = scores[scores > negatives[allowed]]
    return between(scores, above.min())


def threshold_for_f1(scores, truth):
    """The threshold with the highest F1; 1 if nothing is ever right."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(truth[order])
    f1 = np.where(ends, 2 * hits / (np.arange(1, len(order) + 1) + truth.sum()), 0)
    return between(scores, scores[order][f1.argmax()])


def recall_at_rate(scores, truth, rate):
    """A point of the ROC curve: the share of positives above all but `rate` of the negatives."""
    negatives = np.sort(scores[~truth])[::-1]
    return float((scores[truth] > negatives[int(rate * len(negatives))]).mean())


def recall_at_precision(scores, truth, precision_min):
    return float((scores[truth] >= threshold_at_precision(scores, truth, precision_min)).mean())
