#!/usr/bin/env python3
"""Trains a model, writes its bundle, and says whether it is the committed one.

    ASSIZE_BIN=target/debug/assize python training/train.py spam-sms

Each model is a module of tasks/; what they share is beside this file. Reproducible: no clock, fixed seeds, one thread.
"""

import argparse
import os
import sys
from pathlib import Path

# Before numpy is imported. Threads would add up floating point sums in a different order each time.
os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

import compare  # noqa: E402
import quality  # noqa: E402
from tasks import spam_mail, spam_sms, tags_20ng, topics, user_risk  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
# Folders in run/ are not committed: these bundles are too large for that.
MODELS = {
    "spam-sms": (spam_sms.train, "models/spam-sms"),
    "spam-mail": (spam_mail.train, "models/spam-mail"),
    "topics-r8": (lambda folder, root: topics.train(topics.R8, folder, root), "models/topics-r8"),
    "topics-20ng": (lambda folder, root: topics.train(topics.NEWS, folder, root), "run/bundles/topics-20ng"),
    "tags-20ng": (lambda folder, root: tags_20ng.train(tags_20ng.NEWS, folder, root), "run/bundles/tags-20ng"),
    "tags": (lambda folder, root: tags_20ng.train(tags_20ng.SMALL, folder, root), "tests/bundles/tags"),
    "user-risk": (user_risk.train, "tests/bundles/user-risk"),
}


def main():
    parser = argparse.ArgumentParser(description="Train a model and write its bundle; exit 1 if it is not as committed.")
    parser.add_argument("model", choices=MODELS, nargs="?", default="spam-sms")
    parser.add_argument("--out", type=Path, help="folder of the bundle, instead of its own; results/ stay as they are")
    args = parser.parse_args()
    train, folder = MODELS[args.model]
    folder = args.out or ROOT / folder
    digest, result = train(folder, ROOT)
    result |= {"digest": digest}
    if not args.out:
        quality.write(ROOT, result)
    print(f"{folder}: sha256 {digest}", file=sys.stderr)
    lines, as_committed = compare.report(compare.committed(ROOT, args.model), result)
    print("\n".join(lines), file=sys.stderr)
    return 0 if as_committed else 1


if __name__ == "__main__":
    sys.exit(main())
