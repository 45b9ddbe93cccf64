"""Scores to probabilities: fitted on out-of-fold scores, in the shapes that the manifest knows."""

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, softmax, xlogy
from sklearn.isotonic import IsotonicRegression

DIGITS = 7
ECE_BINS = 15


def rounded(value):
    return float(f"{value:.{DIGITS - 1}e}")


def fit_sigmoid(scores, truth):
    """Platt: p = 1 / (1 + exp(a s + b)), towards his smoothed targets."""
    positives, negatives = truth.sum(), (~truth).sum()
    wanted = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters):
        exponent = parameters[0] * scores + parameters[1]
        missed = expit(-exponent) - wanted
        value = np.sum(np.logaddexp(0, exponent) - (1 - wanted) * exponent)
        return value, -np.array([missed @ scores, missed.sum()])

    start = [0.0, np.log((negatives + 1) / (positives + 1))]
    a, b = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-8}).x
    return {"a": rounded(a), "b": rounded(b)}


def fit_isotonic(scores, truth):
    fitted = IsotonicRegression(out_of_bounds="clip").fit(scores, truth)
    return {"x": list(map(rounded, fitted.X_thresholds_)), "y": list(map(rounded, fitted.y_thresholds_))}


def fit_temperature(scores, truth):
    """For one right label a row: softmax(s / t)."""

    def loss(log_t):
        return -(log_softmax(scores / np.exp(log_t), axis=1)[truth]).mean()

    return rounded(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-8}).x))


def fit(method, scores, truth):
    """`scores`, `truth`: [rows, columns]. Gives the manifest's `calibration`."""
    if method == "none":
        return {"method": method}
    if method == "temperature":
        return {"method": method, "temperature": fit_temperature(scores, truth)}
    of_column = {"sigmoid": fit_sigmoid, "isotonic": fit_isotonic}[method]
    columns = zip(scores.T, truth.T, strict=True)
    return {"method": method, "labels": [of_column(column, of_label) for column, of_label in columns]}


def apply(calibration, scores, exclusive):
    """[rows, columns]; `exclusive`: one label a row, so the columns are normalised."""
    if calibration["method"] == "none":
        return scores
    if calibration["method"] == "temperature":
        return softmax(scores / calibration["temperature"], axis=1)
    labels = zip(scores.T, calibration["labels"], strict=True)
    if calibration["method"] == "sigmoid":
        probabilities = np.column_stack([expit(-(one["a"] * column + one["b"])) for column, one in labels])
    else:
        probabilities = np.column_stack([np.interp(column, one["x"], one["y"]) for column, one in labels])
    if not exclusive:
        return probabilities
    total = probabilities.sum(axis=1, keepdims=True)
    # As scikit-learn: no label at all is every label alike.
    return np.where(total > 0, probabilities / np.where(total > 0, total, 1), 1 / probabilities.shape[1])


def choose(methods, scores, truth, exclusive):
    """The method with the lowest log loss on halves of the scores that it was not fitted on, fitted on all of them."""
    half = np.arange(len(scores)) % 2 == 0
    losses = {}
    for method in methods:
        folds = [(half, ~half), (~half, half)]
        parts = [
            log_loss(apply(fit(method, scores[a], truth[a]), scores[b], exclusive), truth[b], exclusive)
            for a, b in folds
        ]
        losses[method] = float(np.mean(parts))
    best = min(losses, key=losses.get)
    return fit(best, scores, truth), losses


def log_loss(probabilities, truth, exclusive):
    """Mean over the rows (exclusive) or over all decisions."""
    p = np.clip(probabilities, 1e-9, 1 - 1e-9)
    if exclusive:
        return float(-np.log(p[truth]).mean())
    return float(-(xlogy(truth, p) + xlogy(~truth, 1 - p)).mean())


def brier(probabilities, truth, exclusive):
    squares = (probabilities - truth) ** 2
    return float(squares.sum(axis=1).mean() if exclusive else squares.mean())


def ece(probabilities, truth, exclusive):
    """Expected calibration error over bins of equal width: of the best label (exclusive), else of every decision."""
    if exclusive:
        best = probabilities.argmax(axis=1)
        sure, right = probabilities.max(axis=1), truth[np.arange(len(truth)), best]
    else:
        sure, right = probabilities.ravel(), truth.ravel()
    bins = np.minimum((sure * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [abs(sure[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))


def quality(probabilities, truth, exclusive):
    measures = {"log_loss": log_loss, "brier": brier, "ece": ece}
    return {name: round(measure(probabilities, truth, exclusive), 5) for name, measure in measures.items()}
