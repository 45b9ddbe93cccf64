"""Writes a bundle of manifest format 2: manifest.json names every other file by its SHA-256."""

import hashlib
import json
import unicodedata

import numpy as np
import reference

from tasks import calibration, corpus, linear

FORMAT = 2
# onnxruntime adds float32 numbers, the training float64 ones.
SCORES_DIFFER_MAX = 1e-3


def write(folder, manifest, model, goldens, card):
    """Returns the digest. `manifest` has what only the task knows: name, version, kind, labels, decision, calibration,
    training, metrics. `goldens`: [(text, user)]. `card`: the text of MODEL_CARD.md, with {digest} in it."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = linear.to_onnx(model, manifest["name"])
    features = model.features.numbers.features
    example = {"inputs": [{"text": text, "user": user} for text, user in goldens[:1]]}
    files = {
        "model.onnx": graph,
        "golden.json": golden_json(model, graph, manifest, goldens).encode(),
        "input_example.json": (json.dumps(example) + "\n").encode(),
        "MLmodel": mlmodel(model).encode(),
    } | {terms.manifest["file"]: terms.file.encode() for terms in model.features.vectorizers}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {"format": FORMAT} | manifest | {
        "graph": {"input": linear.INPUT, "output": linear.OUTPUT, "gives": "scores"},
        "contract": {"id": reference.contract_id(features), "features": features},
        "vectorizers": [terms.manifest for terms in model.features.vectorizers],
        "unicode": unicodedata.unidata_version,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    content = (json.dumps(manifest, indent=2) + "\n").encode()
    (folder / "manifest.json").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / "MODEL_CARD.md").write_text(card.replace("{digest}", digest), encoding="utf-8")
    return digest


def decided(decision, labels, probabilities):
    """The labels that a row of probabilities gets."""
    if "positive" in decision:
        return [decision["positive"]] if probabilities[-1] >= decision["threshold"] else [labels[0]]
    if "thresholds" in decision:
        return [label for label, p in zip(labels, probabilities, strict=True) if p >= decision["thresholds"][label]]
    best = int(np.argmax(probabilities))
    below = decision["abstain_below"]
    return [] if below is not None and probabilities[best] < below else [labels[best]]


def golden_json(model, graph, manifest, goldens):
    """One line a text: what must come out of it, by Python's own functions, scikit-learn and onnxruntime."""
    rows = [corpus.Row(reference.sanitize(text), None, user) for text, user in goldens]
    inputs = model.features.transform(rows)
    scores = linear.run_onnx(graph, inputs)
    differ = np.abs(scores - model.scores(rows)).max()
    assert differ < SCORES_DIFFER_MAX, f"the graph and the model differ by {differ}"
    probabilities = calibration.apply(manifest["calibration"], scores.astype(float), manifest["kind"] == "MULTICLASS")
    if manifest["kind"] == "BINARY":
        probabilities = np.hstack([1 - probabilities, probabilities])
    numbers = model.features.numbers
    raw = numbers.raw(rows) if numbers.features else np.empty((len(rows), 0))
    vectors = [
        {
            "text": text,
            "user": user,
            "numeric": [None if np.isnan(value) else float(value) for value in raw[index]],
            "terms": terms_of(inputs[index], len(numbers.features)),
            "graph": scores[index].tolist(),
            "probabilities": probabilities[index].tolist(),
            "labels": decided(manifest["decision"], manifest["labels"], probabilities[index]),
        }
        for index, (text, user) in enumerate(goldens)
    ]
    return "[\n" + ",\n".join(json.dumps(vector) for vector in vectors) + "\n]\n"


def terms_of(row, before):
    """[(column, weight)] of the terms, counted from the first one."""
    cells = row.tocoo()
    pairs = sorted(zip(cells.col.tolist(), cells.data.tolist(), strict=True))
    return [(column - before, round(weight, 9)) for column, weight in pairs if column >= before]


def mlmodel(model):
    """What MLflow reads of a model."""
    columns = model.features.width
    shape = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, columns]}}
    out = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, model.weights.shape[1]]}}
    return f"""flavors:
  onnx:
    data: model.onnx
saved_input_example_info:
  artifact_path: input_example.json
signature:
  inputs: '{json.dumps([{"name": linear.INPUT} | shape])}'
  outputs: '{json.dumps([{"name": linear.OUTPUT} | out])}'
"""
