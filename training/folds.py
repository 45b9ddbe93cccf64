"""A fixed split: no random numbers, the same on every machine."""

import hashlib
from dataclasses import dataclass, field

# Cumulative shares of each class.
SHARES = {"train": 0.60, "validation": 0.75, "held_out": 1.00}


@dataclass
class Sample:
    """A sanitized text with the features that the engine computed."""

    text: str
    positive: bool
    features: list[float]
    user: dict = field(default_factory=dict)

    @property
    def sha256(self):
        return hashlib.sha256(self.text.encode()).hexdigest()


def deduplicate(samples):
    """Keeps the first of each text. The same text under two labels would be a fault of the data."""
    kept = {}
    for sample in samples:
        first = kept.setdefault(sample.text, sample)
        if first.positive != sample.positive:
            raise SystemExit(f"the text with SHA-256 {sample.sha256} has two labels; decide on one")
    return list(kept.values())


def split(samples):
    """Each class in the order of its texts' SHA-256, cut at the shares: stratified, and blind to everything else."""
    folds = {name: [] for name in SHARES}
    for positive in (False, True):
        of_class = sorted((s for s in samples if s.positive == positive), key=lambda sample: sample.sha256)
        start = 0
        for name, share in SHARES.items():
            end = round(len(of_class) * share)
            folds[name] += of_class[start:end]
            start = end
    return folds
