"""Asks the engine for texts and numbers as it serves them, and checks them against Python's."""

import json
import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import reference


def rows(samples):
    """`samples`: Rows of texts as they came. The same sanitized, with the ten numbers of the text, and without those
    that intake refuses."""
    binary = os.environ.get("ASSIZE_BIN")
    if not binary:
        raise SystemExit("ASSIZE_BIN is not set; give the path of the assize binary")
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "texts.ndjson"
        with path.open("w", encoding="utf-8") as file:
            for sample in samples:
                file.write(json.dumps({"text": sample.text, "user": sample.user}, ensure_ascii=False) + "\n")
        command = [binary, "features", "export", "--input", str(path), "--format", "ndjson", "--with-text"]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout.split("\n")
    return [served(samples, json.loads(line)) for line in filter(None, lines)]


def served(samples, exported):
    sample = samples[exported["line"] - 1]
    text, numbers = exported["text"], dict(zip(reference.TEXT_FEATURES, exported["features"], strict=True))
    check(sample.text, text, numbers, f"text {exported['line']}")
    return replace(sample, text=text, user=exported.get("user", {}), numbers=numbers)


def check(original, text, numbers, where):
    """A model trained on features that engine and Python disagree about would learn the disagreement."""
    if text != reference.sanitize(original):
        raise SystemExit(f"{where}: the engine sanitizes it in another way than Python")
    for name, expected in reference.text_features(text).items():
        if abs(expected - numbers[name]) > 1e-9:
            raise SystemExit(f"{where}: {name} is {numbers[name]} by the engine, {expected} by Python")
