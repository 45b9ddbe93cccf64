"""What a row costs, beside onnxruntime in the same minutes, as a Markdown table.

    python tests/zoo/bench.py target/release/assize

Both score rows of the same distribution (that of `assize model bench`) with one thread, onnxruntime through Python in
batches of 1 and 512; its rows are dense, as it knows no others.
"""

import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import lightgbm
import numpy as np
import onnxruntime
import xgboost
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.svm import LinearSVC

warnings.simplefilter("ignore")
random = np.random.default_rng(1)
ROWS, SECONDS = 512, 0.5


def data(columns):
    if columns <= 64:
        return (4 * random.random((4000, columns)) - 2).astype(np.float32)
    rows = np.zeros((800, columns), dtype=np.float32)
    for row in rows:
        row[random.integers(0, columns, 64)] = random.random(64)
    return rows


def sklearn(model, columns):
    rows = data(columns)
    y = (rows[:, :5].sum(axis=1) + np.sin(3 * rows[:, 5]) + random.normal(size=len(rows)) > 0).astype(int)
    fitted = model.fit(rows, y)
    return rows, to_onnx(fitted, rows[:1], options={id(fitted): {"zipmap": False}}, target_opset=18)


def boosted(model, convert):
    rows = data(20)
    y = (rows[:, :5].sum(axis=1) + np.sin(3 * rows[:, 5]) + random.normal(size=len(rows)) > 0).astype(int)
    kind = [("input", FloatTensorType([None, 20]))]
    return rows, convert(model.fit(rows, y), initial_types=kind, target_opset=15)


MODELS = {
    "logistic regression, 20,000 columns": lambda: sklearn(LogisticRegression(), 20_000),
    "MaxAbsScaler + logistic, 20,000 columns": lambda: sklearn(make_pipeline(MaxAbsScaler(), LogisticRegression()), 20_000),
    "naive Bayes, 20,000 columns": lambda: sklearn(MultinomialNB(), 20_000),
    "MLP of 64 units, 20,000 columns": lambda: sklearn(MLPClassifier((64,), max_iter=3), 20_000),
    "StandardScaler + logistic, 20 columns": lambda: sklearn(make_pipeline(StandardScaler(), LogisticRegression()), 20),
    "calibrated linear SVC, 20 columns": lambda: sklearn(CalibratedClassifierCV(LinearSVC(), cv=3), 20),
    "MLP of 64 units, 20 columns": lambda: sklearn(MLPClassifier((64,), max_iter=20), 20),
    "random forest, 100 trees of depth 6": lambda: sklearn(RandomForestClassifier(100, max_depth=6), 20),
    "random forest, 100 trees of depth 8": lambda: sklearn(RandomForestClassifier(100, max_depth=8), 20),
    "gradient boosting, 100 trees of depth 6": lambda: sklearn(GradientBoostingClassifier(max_depth=6), 20),
    "LightGBM, 100 trees of 63 leaves": lambda: boosted(
        lightgbm.LGBMClassifier(n_estimators=100, num_leaves=63, verbose=-1), convert_lightgbm
    ),
    "XGBoost, 100 trees of depth 6": lambda: boosted(
        xgboost.XGBClassifier(n_estimators=100, max_depth=6), convert_xgboost
    ),
}


def onnxruntime_ns(path, rows, batch):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name, output = session.get_inputs()[0].name, [session.get_outputs()[-1].name]
    batches = [rows[start : start + batch] for start in range(0, ROWS, batch)]
    session.run(output, {name: batches[0]})
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        for found in batches:
            session.run(output, {name: found})
            count += len(found)
    return (time.perf_counter() - start) * 1e9 / count


def main(assize):
    onnxruntime.set_default_logger_severity(3)
    print("| model | path | 1 | 64 | 512 | onnxruntime 1 | 512 |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name, make in MODELS.items():
        rows, model = make()
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "model.onnx")
            Path(path).write_bytes(model.SerializeToString())
            ours = json.loads(subprocess.check_output([assize, "model", "bench", "--json", path]))
            costs = [cost["ns_per_row"] for cost in ours["costs"]]
            costs += [onnxruntime_ns(path, rows, batch) for batch in (1, 512)]
        print(f"| {name} | {ours['path']} | " + " | ".join(f"{cost:,.0f}" for cost in costs) + " |", flush=True)


main(*sys.argv[1:])
