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
    """On test rows; a graph that gives probabilities has no "before"."""
    method = result["method"]
    points = {"before": result["before"], f"after ({method})": result["after"]} if "before" in result else {
        "as the graph gives them": result["after"]
    }
    lines = [[name.replace("_", " "), *(point[name] for point in points.values())] for name in result["after"]]
    return table(["calibration, test rows", *points], lines)


def abstaining(band):
    """What the band of a model with several topics comes to."""
    return (
        f"These figures are of the likeliest topic, however unsure. Below a confidence of {band['below']} a text gets none:\n"
        f"{100 * band['decided']:.1f} % get one, and of these {share(band['right'])} are right."
    )


LIMITS = "The data are decades old, and in English."
PAGE = "\n`docs/quality.md` has the published and the in-run baselines beside it.\n"


def of(manifest, model, result, about, gives, more="", limits=LIMITS, page=True):
    """`{digest}` stays in the text for the writer of the bundle. `page`: whether docs/quality.md has the model."""
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

{features_table(model, result)}

## Results on the test rows, with 95 % intervals

{table(["measure", "value"], measured(result["ours"]))}

{calibration_table(result["calibration"])}
{more}{PAGE if page else ""}
## Limits

{limits} Whoever judges other texts trains on their own and chooses thresholds for their own
costs. Near-repetitions, one text with another number in it, may stand on both sides of a split.

## Again

`./dev train {manifest["name"]}`
"""


def features_table(model, result):
    """The numbers, if there are any, and the terms."""
    vectorizers = result["vectorizers"]
    terms = table(
        ["terms", "analyzer", "n", "count"],
        [[v["name"], v["analyzer"], f"{v['ngram_min']} to {v['ngram_max']}", v["count"]] for v in vectorizers],
    )
    lines = [
        [f["name"], f["origin"], f["unit"], f["default"], f"{f['clip'][0]:g} to {f['clip'][1]:g}",
         f"{f['mean']:.4g}", f"{f['scale']:.4g}"]
        for f in model.features.numbers.features
    ]
    head = ["number", "origin", "unit", "default", "clipped to", "mean", "scale"]
    return f"{table(head, lines)}\n\n{terms}" if lines else terms


SPLITS = """\
The committed model is that of the split in time. Spam and ham of this corpus were gathered at different times and
places, and its ham comes from few lists whose writers write often: so a sender known here is nearly always one of ham. One
sender, of news items, has most of its mails after the cut: models of words alone take many of them for spam, and what is
known of the sender mends it. So the share of ham that is judged spam stands apart: without that sender, of senders with an
earlier mail here, and of new ones. For senders that nobody knows, rely on the last. The linear SVM decides at 0, the others
at the threshold for a precision of 0.95 on training rows that they had not seen."""


def split_tables(result):
    """Of spam-mail: each set of features on each split."""
    tables = (split_table(split, found, result["chosen"]) for split, found in result["splits"].items())
    return "\n\n".join([SPLITS, *tables])


def split_table(split, of_split, chosen):
    parts = "; ".join(
        f"{part}: {rows['rows']} mails, {rows['spam']} of them spam, {100 * rows['known']:.0f} % of known senders, "
        f"{rows['of busiest']} ham of one sender"
        for part, rows in of_split["rows"].items()
    )
    apart = {
        "ham_blocked_others": "without that sender",
        "ham_blocked_known": "of known senders",
        "ham_blocked_new": "of new senders",
        "caught_new": "spam of new senders caught",
        "held_out_recall": "training rows: recall at precision 0.95",
    }
    head = ["", "recall", "precision", "ham judged spam", *apart.values()]
    lines = []
    for found in of_split["found"]:
        name = f"**{found['name']}**" if found["name"] == chosen else found["name"]
        test = [share(found["test"][measure]) for measure in ("recall", "precision", "false_positive_rate")]
        lines.append([name, *test, *(f"{100 * found[of]:.2f} %" if of in found else "" for of in apart)])
    seed = f", seed {of_split['seed']}" if "seed" in of_split else ""
    return f"Split {split}{seed}; {parts}.\n\n{table(head, lines)}"
