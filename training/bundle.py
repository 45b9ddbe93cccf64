"""Writes a bundle of manifest format 2: manifest.json names every other file by its SHA-256."""

import hashlib
import json
import unicodedata

import calibration
import engine
import linear
import numpy as np
import reference
from corpus import Row

FORMAT = 2
DRIFT_REFERENCE = "reference.json"
# onnxruntime adds float32 numbers, the training float64 ones.
SCORES_DIFFER_MAX = 1e-3


def write(folder, manifest, model, goldens, card, test, more_files=None):
    """Returns the digest. `manifest` has what only the task knows: name, version, kind, labels, decision, calibration,
    training, metrics. `goldens`: [(text, user)]. `card`: the text of MODEL_CARD.md, with {digest} in it. `test`: rows that
    the model has not learnt from; what it makes of them is its drift reference."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = model.onnx(manifest["name"])
    features = model.features.numbers.features
    example = {"inputs": [{"text": text, "user": user} for text, user in goldens[:1]]}
    files = {
        "model.onnx": graph,
        "golden.json": golden_json(model, graph, manifest, goldens).encode(),
        "input_example.json": (json.dumps(example) + "\n").encode(),
        "MLmodel": mlmodel(model).encode(),
    } | {terms.manifest["file"]: terms.file.encode() for terms in model.features.vectorizers}
    files |= {name: text.encode() for name, text in (more_files or {}).items()}
    manifest = {"format": FORMAT} | manifest | {
        "graph": {"input": linear.INPUT, "output": model.output, "gives": model.gives},
        "contract": {"id": reference.contract_id(features), "features": features},
        "vectorizers": [terms.manifest for terms in model.features.vectorizers],
        "unicode": unicodedata.unidata_version,
    }
    # The engine judges with a whole bundle, so the first one has no reference.
    write_files(folder, manifest, files)
    of = f"{len(test)} test rows of {manifest['training']['data']}"
    files[DRIFT_REFERENCE] = engine.drift_reference(folder, test, of).encode()
    digest = write_files(folder, manifest | {"drift_reference": DRIFT_REFERENCE}, files)
    (folder / "MODEL_CARD.md").write_text(card.replace("{digest}", digest), encoding="utf-8")
    return digest


def write_files(folder, manifest, files):
    """Writes the files and the manifest that names them; returns its digest."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    named = {"files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}}
    content = (json.dumps(manifest | named, indent=2) + "\n").encode()
    (folder / "manifest.json").write_bytes(content)
    return hashlib.sha256(content).hexdigest()


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
    rows = [golden_row(text, user) for text, user in goldens]
    inputs = model.features.transform(rows)
    scores = linear.run_onnx(graph, model.output, inputs)
    differ = np.abs(scores - model.scores(rows)).max()
    assert differ < SCORES_DIFFER_MAX, f"the graph and the model differ by {differ}"
    probabilities = calibration.apply(manifest["calibration"], scores.astype(float), manifest["kind"] == "MULTICLASS")
    if probabilities.shape[1] == 1:
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


def golden_row(text, user):
    """A second opinion: nothing of it comes from the engine."""
    text = reference.sanitize(text)
    return Row(text, None, user, numbers=reference.text_features(text))


def terms_of(row, before):
    """[(column, weight)] of the terms, counted from the first one."""
    cells = row.tocoo()
    pairs = sorted(zip(cells.col.tolist(), cells.data.tolist(), strict=True))
    return [(column - before, round(weight, 9)) for column, weight in pairs if column >= before]


def mlmodel(model):
    """What MLflow reads of a model."""

    def tensor(name, columns):
        return json.dumps([{"name": name, "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, columns]}}])

    return f"""flavors:
  onnx:
    data: model.onnx
saved_input_example_info:
  artifact_path: input_example.json
signature:
  inputs: '{tensor(linear.INPUT, model.features.width)}'
  outputs: '{tensor(model.output, model.outputs)}'
"""
