"""models/spam-mail: spam in mails, by words and by the nine numbers, three of them about the sender."""

import re
from collections import Counter

import binary
import bundle
import card
import corpus
import engine
import mails
import measure
import numpy as np
from features import Features, SharedTerms, text_feature, user_feature
from golden_texts import TEXTS
from linear import Linear, targets

NAME, VERSION = "spam-mail", "1.0.0"
LABELS = ["not_spam", "spam"]
# The split in time: the first mails teach, the last ones are asked about. The random one is shown beside it.
SHARE, SEED = 0.70, 0
FOLDS = 5
PRECISION_MIN, REVIEW_PRECISION_MIN, BLOCK_PRECISION_MIN = 0.95, 0.80, 0.99
TERMS_MAX = 20_000
# Words that say when a mail was kept, by whom, or through which list it came: they would tell the folders apart.
LEAVE_OUT = re.compile(
    r"taint|netnoteinc|jmason|zzzz|yyyy|spamassassin|deathtospam|ufffd|mailman|listinfo|listmaster|xent|sourceforge"
    r"|^\d+$|^(jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)$|^(january|february|march|april|june|july|august)$"
    r"|^(september|october|november|december)$|^(mon|tue|wed|thu|fri|sat|sun)$"
)
SENDER = [
    user_feature("account_age_days", "days"),
    user_feature("follower_count", "followers"),
    user_feature("messages_sent_7d", "messages"),
]
TEXT = list(
    map(
        text_feature,
        ["char_count", "word_count", "url_count", "exclamation_count", "capital_ratio", "unique_word_ratio"],
    )
)
HABITS = [user_feature("reply_rate", "share of messages"), user_feature("mean_message_chars", "code points")]
REPORTS = [user_feature("report_rate", "share of messages")]
SETS = {
    "terms alone": [],
    "terms, six numbers of the text": TEXT,
    "terms, nine numbers": SENDER + TEXT,
    "terms, nine numbers, habits": SENDER + HABITS + TEXT,
    "terms, nine numbers, habits, reports": SENDER + HABITS + REPORTS + TEXT,
}
CHOSEN = "terms, nine numbers"
ABOUT = "Whether a mail is spam: the SpamAssassin public corpus, 2001 and 2002."
# As a feature store may hold them: a new sender, a known one, a busy one, one of whom nothing is known.
GOLDEN_USERS = [
    {"account_age_days": 0, "follower_count": 0, "messages_sent_7d": 0},
    {"account_age_days": 40.5, "follower_count": 6, "messages_sent_7d": 3},
    {"account_age_days": 3, "follower_count": None, "messages_sent_7d": 400},
    {},
]


def read(root):
    """Rows in the order of their time, and what the card says of how they were made."""
    every = mails.read(root)
    history = mails.History(every)
    raw = [corpus.Row(mail.text, mail.label, history.of(mail), mail.time, author=mail.sender) for mail in every]
    rows = engine.rows(raw)
    dated = [row for row in corpus.deduplicate(rows) if row.time is not None]
    dated.sort(key=lambda row: row.time)
    made = {"mails": len(every), "with text": len(rows), "without repetitions": len(dated)}
    return dated, made | {f"time by {header}": count for header, count in mails.dating(every).items()}


def model(numeric, shared):
    def features():
        return Features(numeric, [SharedTerms(shared, "words", TERMS_MAX, min_df=2, leave_out=LEAVE_OUT)])

    return Linear(features, LABELS)


def splits(rows):
    """{name: (training rows, test rows, in time)}"""
    cut = int(SHARE * len(rows))
    corpus.assert_apart(rows[:cut], rows[cut:])
    return {"in time": (rows[:cut], rows[cut:], True), "at random": (*binary.split(rows, SHARE, SEED), False)}


def known(rows):
    """Whether an earlier mail of the sender is there."""
    return np.array([row.user.get("report_rate") is not None for row in rows], dtype=bool)


def busiest(rows):
    """Which mails are of the sender with most of the ham."""
    most = Counter(row.author for row in rows if row.label == LABELS[0]).most_common(1)[0][0]
    return np.array([row.author == most for row in rows])


def compared(name, fitted, test, threshold):
    """Of one set of features on one split: out-of-fold, on the test rows, and by whether the sender was known."""
    truth, chosen = targets(test, LABELS)[:, 0], fitted.judge(test) >= threshold
    ham = ~truth
    return {
        "name": name,
        "held_out_recall": round(measure.recall_at_precision(fitted.held_out, fitted.truth, PRECISION_MIN), 5),
        "test": binary.judged(fitted, test, threshold),
        "ham_blocked_others": share(chosen[ham & ~busiest(test)]),
        "ham_blocked_known": share(chosen[ham & known(test)]),
        "ham_blocked_new": share(chosen[ham & ~known(test)]),
        "caught_new": share(chosen[truth & ~known(test)]),
    }


def share(cells):
    return round(float(cells.mean()), 5)


def words_svm(train, test):
    """A linear SVM on words as scikit-learn comes; its threshold is 0."""
    chosen = binary.words_baseline(train, test, LABELS) >= 0
    measured = measure.measures(targets(test, LABELS), chosen[:, np.newaxis])
    ham = [row.label == LABELS[0] for row in test]
    return {
        "name": "linear SVM, words",
        "test": {name: measured[name] for name in binary.MEASURES},
        "ham_blocked_others": share(chosen[ham & ~busiest(test)]),
    }


def train(folder, root):
    rows, made = read(root)
    by_split, committed = {}, None
    for split, (learnt, test, in_time) in splits(rows).items():
        found, shared = [words_svm(learnt, test)], {}
        for name, numeric in SETS.items():
            fitted = binary.fit(model(numeric, shared), learnt, FOLDS, in_time, methods=("sigmoid",))
            found.append(compared(name, fitted, test, fitted.at_precision(PRECISION_MIN)))
            if in_time and name == CHOSEN:
                committed = fitted
        by_split[split] = {"rows": of_rows(learnt, test), "found": found}
    by_split["at random"]["seed"] = SEED

    learnt, test, _ = splits(rows)["in time"]
    threshold = committed.at_precision(PRECISION_MIN)
    kept = {"splits": by_split, "chosen": CHOSEN, "made": made}
    result = binary.result_of(NAME, committed, learnt, test, threshold) | kept
    actions = {
        "review": committed.at_precision(REVIEW_PRECISION_MIN),
        "block": committed.at_precision(BLOCK_PRECISION_MIN),
    }
    decision = {"threshold": threshold, "actions": actions}
    manifest = binary.manifest_of(result, VERSION, committed, decision, "SpamAssassin public corpus", mails.DATA_SHA256)
    text = card.of(manifest, committed.model, result, ABOUT, "spam, or not_spam", of_card(result))
    goldens = [(text, GOLDEN_USERS[index % len(GOLDEN_USERS)]) for index, text in enumerate(TEXTS)]
    return bundle.write(folder, manifest, committed.model, goldens, text, test), result


def of_rows(learnt, test):
    def of(part):
        labels = Counter(row.label for row in part)
        most = int((busiest(part) & [row.label == LABELS[0] for row in part]).sum())
        return {"rows": len(part), "spam": labels["spam"], "known": share(known(part)), "of busiest": most}

    return {"training": of(learnt), "test": of(test)}


def of_card(result):
    made = card.table(["", "count"], [list(pair) for pair in result["made"].items()])
    return f"""
## Mails

The text is the subject and the readable body: plain text where there is some, else what a reader sees of the HTML, with
the targets of links, by the parser of Python's standard library; as it came, tags would fill the 10,000 characters that a
model reads, and say more about the program of the sender than about the mail. Names of lists and their footers are left
out, and so are words that say when, by whom and through which list a mail was kept: all lists here are ham.

{made}

A mail's time is its Date, or its first Received where the two are more than {mails.DATE_DIFFERS_DAYS_MAX} days apart.

What was known of a sender (the address in From, which can be forged) comes from earlier mails of this corpus alone:

| number | stands for it |
| --- | --- |
| account_age_days | days since the sender's first mail here |
| follower_count | addresses that the sender wrote to before |
| messages_sent_7d | the sender's mails in the seven days before |
| reply_rate (compared only) | share of the sender's earlier mails that are replies |
| mean_message_chars (compared only) | of the sender's earlier mails |
| report_rate (compared only) | share of the sender's earlier mails that are spam: it leans on labels, as if each had been reported at once and rightly |

## Splits

{card.split_tables(result)}
"""
