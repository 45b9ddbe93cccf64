"""Writes a bundle: manifest.json names every other file by its SHA-256, so its own SHA-256 is the digest of all."""

import hashlib
import json
import unicodedata

import graph
import reference
from folds import Sample

FORMAT = 1


def write(folder, manifest, rows, onnx, goldens, more_files=None):
    """Returns the digest. `manifest` holds what the model says of itself; the rest is added here."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "model.onnx": onnx,
        "vocabulary.tsv": vocabulary(rows).encode(),
        "golden.json": golden_json(goldens).encode(),
    } | {name: text.encode() for name, text in (more_files or {}).items()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {"format": FORMAT} | manifest | {
        "graph": {"input": graph.INPUT, "output": graph.OUTPUT},
        "contract": {"id": reference.contract_id(rows.features), "features": rows.features},
        "vectorizer": {"ngram_min": 1, "ngram_max": 2, "lowercase": True, "sublinear_tf": False, "norm": "l2"},
        "unicode": unicodedata.unidata_version,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    content = (json.dumps(manifest, indent=2) + "\n").encode()
    (folder / "manifest.json").write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def vocabulary(rows):
    return "".join(f"{term}\t{idf!r}\n" for term, idf in zip(rows.terms, rows.vectorizer.idf_.tolist(), strict=True))


def goldens(rows, onnx, texts, users=({},)):
    """What must come out of each text, by Python's own functions, scikit-learn and onnxruntime."""
    vectors = []
    for index, text in enumerate(texts):
        user = users[index % len(users)]
        sanitized = reference.sanitize(text)
        sample = Sample(sanitized, False, list(reference.text_features(sanitized).values()), user)
        vectors.append({
            "text": text,
            "user": user,
            "numeric": rows.raw(sample),
            "terms": rows.terms_of(sanitized),
            "probabilities": graph.probabilities(onnx, rows.transform([sample]))[0].tolist(),
        })
    return vectors


def golden_json(vectors):
    """One vector per line."""
    return "[\n" + ",\n".join(json.dumps(vector) for vector in vectors) + "\n]\n"
