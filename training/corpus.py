"""Labelled texts: as the files hold them, without repetitions, and never on both sides of a split."""

import hashlib
import re
from dataclasses import dataclass, field

import numpy as np

HEAD_LINES = 3  # Of a .tab file: names, types, roles.


@dataclass
class Row:
    """A text, its label (a tuple of labels where there may be several), what is known of its author, when it was sent,
    its numbers by name, who its author is, where a task asks, and the text as it came before the engine sanitized it."""

    text: str
    label: object
    user: dict = field(default_factory=dict)
    time: float = 0.0
    numbers: dict = field(default_factory=dict)
    author: str = ""
    original: str = ""

    @property
    def key(self):
        """The same for texts that differ only in case, punctuation or white space."""
        return " ".join(re.findall(r"\w+", self.text.casefold())) or self.text


def checked(path, sha256, name):
    """The file's text. Other bytes are another experiment."""
    if not path.exists():
        raise SystemExit(f"{path} is not there; ./dev data {name} fetches it")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SystemExit(f"{path} has the SHA-256 {found}, not {sha256}; ./dev data {name} fetches the right one")
    return content.decode()


def tab(path, sha256, name):
    """The texts of an Orange file, as they are: a label, a tab, a text."""
    lines = filter(None, checked(path, sha256, name).split("\n")[HEAD_LINES:])
    return [Row(text, label) for label, text in (line.split("\t", 1) for line in lines)]


def deduplicate(rows):
    """Keeps the first of each text; texts that stand under several labels say nothing and go."""
    labels = {}
    for row in rows:
        labels.setdefault(row.key, set()).add(row.label)
    kept = {row.key: row for row in reversed(rows) if len(labels[row.key]) == 1}
    return [row for row in rows if kept.get(row.key) is row]


def without(rows, others):
    """The rows whose text is not among the others."""
    keys = {row.key for row in others}
    return [row for row in rows if row.key not in keys]


def assert_apart(learnt_from, test):
    """Every run asks this of what it trains, calibrates and tunes on."""
    shared = {row.key for row in learnt_from} & {row.key for row in test}
    assert not shared, f"{len(shared)} test texts would be learnt from"
    assert len({row.key for row in learnt_from}) == len(learnt_from), "a text stands twice in the training rows"


def folds_of(rows, count, in_time=False):
    """[rows] fold numbers, stratified. Blocks in the order of the rows (`in_time`), else by the hash of the text."""
    numbers = np.empty(len(rows), dtype=int)
    by_label = {}
    for index, row in enumerate(rows):
        by_label.setdefault(row.label, []).append(index)
    for indices in by_label.values():
        if not in_time:
            indices.sort(key=lambda index: hashlib.sha256(rows[index].key.encode()).digest())
        numbers[indices] = np.arange(len(indices)) * count // len(indices)
    return numbers
