"""Thresholds from the validation fold, measures of any fold."""

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)


def threshold_for(positive, probability, precision_min):
    """The highest recall at this precision. Set half-way down to the next score, so that no rounding crosses it."""
    precision, recall, thresholds = precision_recall_curve(positive, probability)
    enough = np.flatnonzero(precision[:-1] >= precision_min)
    if not len(enough):
        raise SystemExit(f"no threshold reaches precision {precision_min} on the validation fold")
    lowest = thresholds[enough[np.argmax(recall[enough])]]
    below = probability[probability < lowest]
    return round(float((lowest + below.max()) / 2 if len(below) else lowest / 2), 6)


def measures(positive, probability, threshold):
    chosen = probability >= threshold
    (true_negatives, false_positives), (false_negatives, true_positives) = confusion_matrix(positive, chosen)
    values = {
        "precision": precision_score(positive, chosen),
        "recall": recall_score(positive, chosen),
        "f1": f1_score(positive, chosen),
        "roc_auc": roc_auc_score(positive, probability),
        "pr_auc": average_precision_score(positive, probability),
        "log_loss": log_loss(positive, probability.astype(float)),
        "true_positives": true_positives,
        "false_positives": false_positives,
        "false_negatives": false_negatives,
        "true_negatives": true_negatives,
    }
    return {name: round(float(value), 6) for name, value in values.items()}
