"""Asks the engine for features, and checks them against Python's."""

import json
import os
import subprocess

import reference
from folds import Sample


def export(path, positive_label):
    """The samples of a .tsv or .ndjson file, with the features that the engine computes when it serves."""
    binary = os.environ.get("ASSIZE_BIN")
    if not binary:
        raise SystemExit("ASSIZE_BIN is not set; give the path of the assize binary")
    command = [binary, "features", "export", "--input", str(path), "--format", "ndjson", "--with-text"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    originals = texts(path)
    samples = []
    for exported in map(json.loads, lines.splitlines()):
        label, user = exported["label"], exported.get("user", {})
        sample = Sample(exported["text"], label == positive_label, exported["features"], user)
        check(sample, originals[exported["line"] - 1], f"{path}, line {exported['line']}")
        samples.append(sample)
    return samples


def texts(path):
    """As they stand in the file, line by line."""
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    if path.suffix == ".tsv":
        return [line.split("\t", 1)[1] for line in lines]
    return [json.loads(line)["text"] for line in lines]


def check(sample, original, where):
    """A model trained on features that engine and Python disagree about would learn the disagreement."""
    if sample.text != reference.sanitize(original):
        raise SystemExit(f"{where}: the engine sanitizes this text in another way than Python")
    for (name, expected), found in zip(reference.text_features(sample.text).items(), sample.features, strict=True):
        if abs(expected - found) > 1e-9:
            raise SystemExit(f"{where}: {name} is {found} by the engine, {expected} by Python")
