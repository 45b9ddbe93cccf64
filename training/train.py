#!/usr/bin/env python3
"""Trains a model and writes its bundle.

    ASSIZE_BIN=target/release/assize python training/train.py spam-sms

Reproducible: no clock, fixed seeds, one thread. Run twice, the digest is the same.
"""

import argparse
import os
import sys
from pathlib import Path

# Before numpy is imported. Threads would add up floating point sums in a different order each time.
os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

import spam_sms  # noqa: E402
import user_risk  # noqa: E402
from tasks import quality, tags_20ng, topics  # noqa: E402
from tasks import spam_sms as spam_sms_characters  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
MODELS = {
    "spam-sms": (spam_sms.train, ROOT / "models/spam-sms"),
    "user-risk": (user_risk.train, ROOT / "tests/bundles/user-risk"),
}
# Manifest format 2, which this engine does not serve yet: these bundles are made, not committed.
TASKS = {
    "spam-sms-characters": spam_sms_characters.train,
    "topics-r8": lambda folder, root: topics.train(topics.R8, folder, root),
    "topics-20ng": lambda folder, root: topics.train(topics.NEWS, folder, root),
    "tags-20ng": tags_20ng.train,
}


def main():
    parser = argparse.ArgumentParser(description="Train a model and write its bundle.")
    parser.add_argument("model", choices=[*MODELS, *TASKS], nargs="?", default="spam-sms")
    parser.add_argument("--out", type=Path, help="folder of the bundle, instead of the committed one")
    args = parser.parse_args()
    if args.model in TASKS:
        folder = args.out or ROOT / "run/bundles" / args.model
        digest, result = TASKS[args.model](folder, ROOT)
        quality.write(ROOT, result)
    else:
        train, committed = MODELS[args.model]
        folder = args.out or committed
        digest = train(folder, ROOT)
    print(f"{folder}: sha256 {digest}", file=sys.stderr)


if __name__ == "__main__":
    main()
