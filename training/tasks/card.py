"""MODEL_CARD.md of a bundle. Every number in it comes from the run."""


def table(head, lines):
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *lines])


def share(values):
    """A measure and its interval, in percent."""
    value, low, high = values
    return f"{100 * value:.2f} % ({100 * low:.2f} to {100 * high:.2f})"


def measured(values):
    return [[name.replace("_", " "), share(value)] for name, value in values.items()]


def calibration_table(result):
    before, after = result["before"], result["after"]
    return table(
        ["on test rows", "before", f"after ({result['method']})"],
        [[name.replace("_", " "), before[name], after[name]] for name in after],
    )


def of(manifest, result, about, gives, more=""):
    """`{digest}` stays in the text for the writer of the bundle."""
    rows = result["rows"]
    return f"""# Model card: {manifest["name"]} {manifest["version"]}

{about}
It gives {gives}.
Digest `{{digest}}`.

## Data

SHA-256 of the data: `{"`, `".join(manifest["training"]["data_sha256"])}`. The texts are not part of this repository.
{rows["training"]} training rows without repetitions, {rows["test"]} test rows; no test row, compared without case and
punctuation, is among the training rows, and the run stops if one is. Calibration, thresholds and bands come from scores
of training rows by models that had not seen them.

## Model

Linear, one column a label, on {result["columns"]} columns. It rides on sparse rows: its cost is that of the terms in the
text, not of the columns.

{terms_table(result)}

## Results on the test rows, with 95 % intervals

{table(["measure", "value"], measured(result["ours"]))}

{calibration_table(result["calibration"])}
{more}
`docs/quality.md` has the published and the in-run baselines beside it.

## Limits

The data are decades old, and in English. Whoever judges other texts trains on their own and chooses thresholds for their
own costs. Near-repetitions, one text with another number in it, may stand on both sides of a split.

## Again

`./dev train {manifest["name"]}`
"""


def terms_table(result):
    vectorizers = result["vectorizers"]
    return table(
        ["terms", "analyzer", "n", "count"],
        [[v["name"], v["analyzer"], f"{v['ngram_min']} to {v['ngram_max']}", v["count"]] for v in vectorizers],
    )
