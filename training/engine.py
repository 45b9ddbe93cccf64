"""Asks the engine for texts and numbers as it serves them, checks them against Python's, and has it judge."""

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
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "texts.ndjson"
        write(path, ((sample.text, sample.user) for sample in samples))
        lines = run("features", "export", "--input", path, "--format", "ndjson", "--with-text").split("\n")
    return [served(samples, json.loads(line)) for line in filter(None, lines)]


def drift_reference(bundle, test, of):
    """The content of reference.json: what the bundle in that folder, which has none yet, makes of `test`, rows that its
    model has not learnt from. Where user features would come from is not in it: a file has no store."""
    with tempfile.TemporaryDirectory() as work:
        messages, log = Path(work) / "messages.ndjson", Path(work) / "predictions.ndjson"
        write(messages, ((row.original, row.user) for row in test))
        run("classify", "--bundle", bundle, messages, "--predictions", log)
        return run("drift", "reference", "--bundle", bundle, "--predictions", log, "--label-from", of)


def write(path, messages):
    """[(text, user)] as the engine reads them."""
    with path.open("w", encoding="utf-8") as file:
        for text, user in messages:
            file.write(json.dumps({"text": text, "user": user}, ensure_ascii=False) + "\n")


def run(*arguments):
    """What the engine prints. Without the configuration of whoever trains."""
    binary = os.environ.get("ASSIZE_BIN")
    if not binary:
        raise SystemExit("ASSIZE_BIN is not set; give the path of the assize binary")
    environment = {name: value for name, value in os.environ.items() if name != "ASSIZE_CONFIG"}
    command = [binary, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, encoding="utf-8").stdout


def served(samples, exported):
    sample = samples[exported["line"] - 1]
    text, numbers = exported["text"], dict(zip(reference.TEXT_FEATURES, exported["features"], strict=True))
    check(sample.text, text, numbers, f"text {exported['line']}")
    return replace(sample, original=sample.text, text=text, user=exported.get("user", {}), numbers=numbers)


def check(original, text, numbers, where):
    """A model trained on features that engine and Python disagree about would learn the disagreement."""
    if text != reference.sanitize(original):
        raise SystemExit(f"{where}: the engine sanitizes it in another way than Python")
    for name, expected in reference.text_features(text).items():
        if abs(expected - numbers[name]) > 1e-9:
            raise SystemExit(f"{where}: {name} is {numbers[name]} by the engine, {expected} by Python")
