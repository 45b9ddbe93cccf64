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

ROOT = Path(__file__).resolve().parent.parent
MODELS = {
    "spam-sms": (spam_sms.train, ROOT / "models/spam-sms"),
    "user-risk": (user_risk.train, ROOT / "tests/bundles/user-risk"),
}


def main():
    parser = argparse.ArgumentParser(description="Train a model and write its bundle.")
    parser.add_argument("model", choices=MODELS, nargs="?", default="spam-sms")
    parser.add_argument("--out", type=Path, help="folder of the bundle, instead of the committed one")
    args = parser.parse_args()
    train, committed = MODELS[args.model]
    folder = args.out or committed
    digest = train(folder, ROOT)
    print(f"{folder}: sha256 {digest}", file=sys.stderr)


if __name__ == "__main__":
    main()
