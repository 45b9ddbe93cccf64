"""Writes the zoo: small models as the real exporters write them, with rows and what onnxruntime makes of them.

    pip install -r tests/zoo/requirements.txt && python tests/zoo/generate.py [NAME...]

Good models lie in files/NAME.onnx beside files/NAME.json (output, rows, expected). Bad ones have in their JSON what
`assize model verify` must say of them.
"""

import json
import sys
import warnings
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import onnxruntime
import skl2onnx.common.data_types as skl_types
import xgboost
from onnx import TensorProto, helper, numpy_helper
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

# skl2onnx 1.20 gives the flags of a HistGradientBoosting as booleans, which onnx 1.23 refuses.
make_attribute = onnx.helper.make_attribute


def make_attribute_of_integers(key, value, *args, **options):
    if isinstance(value, list) and value and any(isinstance(entry, (bool, np.bool_)) for entry in value):
        value = [int(entry) for entry in value]
    return make_attribute(key, value, *args, **options)


onnx.helper.make_attribute = make_attribute_of_integers

FILES = Path(__file__).parent / "files"
COLUMNS, ROWS, BYTES_MAX = 6, 12, 20_000
OPSET = 18

random = np.random.default_rng(7)
X = np.abs(random.normal(size=(400, COLUMNS))).astype(np.float32)
X[random.random(X.shape) < 0.3] = 0
WEIGHTS = random.normal(size=(COLUMNS, 3))
SCORES = X @ WEIGHTS + 0.5 * np.sin(3 * X) @ WEIGHTS + random.normal(size=(400, 3)) * 0.4
Y3 = SCORES.argmax(axis=1)
Y2 = (SCORES[:, 0] > np.median(SCORES[:, 0])).astype(int)
YS = np.array(["eggs", "ham", "spam"])[Y3]
YM = (SCORES > np.median(SCORES, axis=0)).astype(int)
# What the tests score: rows of the data, an empty one, and values far out.
SEEN = np.vstack([X[: ROWS - 3], np.zeros(COLUMNS), np.full(COLUMNS, 50.0), -X[:1]]).astype(np.float32)

good, bad = {}, {}


def sklearn(name, model, y, zipmap=False, gives="probabilities", output=None, opset=OPSET, nonnegative=False):
    def make():
        options = {"zipmap": zipmap} if zipmap is not None else {}
        if gives == "scores":
            options["raw_scores"] = True
        fitted = model.fit(X, y)
        return to_onnx(fitted, X[:1], options={id(fitted): options} if options else None, target_opset=opset)

    good[name] = (make, output or ("probabilities" if zipmap is not True else "output_probability"), gives, nonnegative)


sklearn("logistic-2", LogisticRegression(), Y2)
sklearn("logistic-2-zipmap", LogisticRegression(), Y2, zipmap=True)
sklearn("logistic-3", LogisticRegression(), Y3)
sklearn("logistic-3-zipmap-strings", LogisticRegression(), YS, zipmap=True)
sklearn("logistic-ovr", OneVsRestClassifier(LogisticRegression()), Y3)
sklearn("logistic-multilabel", OneVsRestClassifier(LogisticRegression()), YM, zipmap=None)
sklearn("logistic-scores", LogisticRegression(), Y2, gives="scores")
sklearn("sgd-log", SGDClassifier(loss="log_loss", random_state=0), Y3)
sklearn("scaler-logistic", make_pipeline(StandardScaler(), LogisticRegression()), Y2)
sklearn("scaler-logistic-zipmap", make_pipeline(StandardScaler(), LogisticRegression()), YS, zipmap=True)
sklearn("minmax-logistic", make_pipeline(MinMaxScaler(), LogisticRegression()), Y3)
sklearn("maxabs-logistic", make_pipeline(MaxAbsScaler(), LogisticRegression()), Y3)
sklearn("normalizer-logistic", make_pipeline(Normalizer(), LogisticRegression()), Y3)
sklearn("mlp-2", MLPClassifier((8,), max_iter=60, random_state=0), Y2)
sklearn("mlp-3-zipmap", MLPClassifier((8, 4), activation="tanh", max_iter=60, random_state=0), YS, zipmap=True)
sklearn("scaler-mlp", make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=60, random_state=0)), Y3)
sklearn("calibrated-sigmoid", CalibratedClassifierCV(LogisticRegression(), method="sigmoid", cv=2), Y2)
sklearn("calibrated-sigmoid-3", CalibratedClassifierCV(LinearSVC(), method="sigmoid", cv=2), Y3)
sklearn("calibrated-isotonic", CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=2), Y2)
sklearn(
    "calibrated-forest",
    CalibratedClassifierCV(RandomForestClassifier(4, max_depth=4, random_state=0), cv=2),
    Y2,
)
sklearn("multinomial-nb", MultinomialNB(), Y3, nonnegative=True)
sklearn("bernoulli-nb", BernoulliNB(binarize=0.1), Y2)
sklearn("complement-nb", ComplementNB(), Y3, nonnegative=True)
sklearn("gaussian-nb", GaussianNB(), Y3)
sklearn("linear-svc-2", LinearSVC(), Y2, zipmap=None, gives="scores")
sklearn("linear-svc-3", LinearSVC(), Y3, zipmap=None, gives="scores")
sklearn("tree", DecisionTreeClassifier(max_depth=5, random_state=0), Y3)
sklearn("random-forest-2", RandomForestClassifier(8, max_depth=5, random_state=0), Y2)
sklearn("random-forest-3-zipmap", RandomForestClassifier(6, max_depth=4, random_state=0), YS, zipmap=True)
sklearn("extra-trees", ExtraTreesClassifier(6, max_depth=4, random_state=0), Y3)
sklearn("gradient-boosting-2", GradientBoostingClassifier(n_estimators=12, max_depth=3, random_state=0), Y2)
sklearn("gradient-boosting-3", GradientBoostingClassifier(n_estimators=6, max_depth=3, random_state=0), Y3)
sklearn("hist-gradient-boosting-2", HistGradientBoostingClassifier(max_iter=8, max_depth=3, random_state=0), Y2)
sklearn("hist-gradient-boosting-3", HistGradientBoostingClassifier(max_iter=4, max_depth=3, random_state=0), Y3)
sklearn("ada-boost", AdaBoostClassifier(n_estimators=5, random_state=0), Y2)
sklearn(
    "voting-soft",
    VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft", flatten_transform=False),
    Y2,
)


def lightgbm_model(name, y, zipmap, **options):
    def make():
        model = lightgbm.LGBMClassifier(verbose=-1, n_estimators=6, num_leaves=7, random_state=0, **options)
        model.fit(X, y)
        kind = [("input", FloatTensorType([None, COLUMNS]))]
        return convert_lightgbm(model, initial_types=kind, zipmap=zipmap, target_opset=15)

    good[name] = (make, "probabilities", "probabilities", False)


lightgbm_model("lightgbm-2", Y2, False)
lightgbm_model("lightgbm-2-zipmap", Y2, True)
lightgbm_model("lightgbm-3", Y3, False)


def xgboost_model(name, y, **options):
    def make():
        model = xgboost.XGBClassifier(n_estimators=6, max_depth=3, random_state=0, **options)
        model.fit(X, y)
        return convert_xgboost(model, initial_types=[("input", FloatTensorType([None, COLUMNS]))], target_opset=15)

    good[name] = (make, "probabilities", "probabilities", False)


xgboost_model("xgboost-2", Y2)
xgboost_model("xgboost-2-base-score", Y2, base_score=0.5)
xgboost_model("xgboost-3", Y3)


def torch_model(name, dynamo):
    def make():
        import torch

        torch.manual_seed(0)
        layers = [torch.nn.Linear(COLUMNS, 8), torch.nn.ReLU(), torch.nn.LayerNorm(8), torch.nn.Linear(8, 3)]
        model = torch.nn.Sequential(*layers, torch.nn.Softmax(dim=1)).eval()
        path = FILES / f"{name}.onnx"
        names = {"input_names": ["input"], "output_names": ["probabilities"]}
        if dynamo:
            shapes = ({0: torch.export.Dim("rows")},)
            program = torch.onnx.export(
                model, (torch.zeros(2, COLUMNS),), dynamo=True, dynamic_shapes=shapes, opset_version=18, **names
            )
            model = program.model_proto
        else:
            axes = {"input": {0: "rows"}, "probabilities": {0: "rows"}}
            torch.onnx.export(
                model, (torch.zeros(2, COLUMNS),), str(path), dynamo=False, dynamic_axes=axes, opset_version=17, **names
            )
            model = onnx.load(path)
        return model

    good[name] = (make, "probabilities", "probabilities", False)


torch_model("torch-mlp", dynamo=False)
torch_model("torch-mlp-dynamo", dynamo=True)


# Trees that no exporter writes but the specification has.


def ensemble(op, modes, weights, columns, opset_ml=3, classes=2, targets=1, missing=None, **attributes):
    """One tree of three branches and four leaves per entry of `modes`; `weights(tree, leaf)` gives (class, weight)s."""
    lists = {key: [] for key in ["treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids"]}
    ids = {"treeids": [], "nodeids": [], "ids": [], "weights": []}
    for tree, mode in enumerate(modes):
        for node in range(7):
            branch = node < 3
            entry = {
                "treeids": tree,
                "nodeids": node,
                "featureids": (tree + node) % columns if branch else 0,
                "values": float(X[tree, (tree + node) % columns]) if branch else 0.0,
                "modes": mode if branch else "LEAF",
                "truenodeids": 2 * node + 1 if branch else 0,
                "falsenodeids": 2 * node + 2 if branch else 0,
            }
            for key, value in entry.items():
                lists[key].append(value)
            if not branch:
                for target, weight in weights(tree, node - 3):
                    for key, value in {"treeids": tree, "nodeids": node, "ids": target, "weights": weight}.items():
                        ids[key].append(value)
    prefix = "class" if op == "TreeEnsembleClassifier" else "target"
    fields = {f"nodes_{key}": value for key, value in lists.items()} | {
        f"{prefix}_{key}": value for key, value in ids.items()
    }
    if missing is not None:
        fields["nodes_missing_value_tracks_true"] = [missing] * (7 * len(modes))
    if prefix == "class":
        fields["classlabels_int64s"] = list(range(classes))
        outputs, wide = ["label", "probabilities"], classes
    else:
        fields["n_targets"] = targets
        outputs, wide = ["probabilities"], targets
    node = helper.make_node(op, ["input"], outputs, domain="ai.onnx.ml", **fields, **attributes)
    rows = helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, columns])
    found = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, wide])]
    if prefix == "class":
        found.insert(0, helper.make_tensor_value_info("label", TensorProto.INT64, [None]))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", opset_ml)]
    return helper.make_model(helper.make_graph([node], "zoo", [rows], found), opset_imports=opsets, ir_version=9)


ALL_MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def trees(name, *args, gives="scores", **options):
    good[name] = (lambda: ensemble(*args, columns=COLUMNS, **options), "probabilities", gives, False)


def one(weight_class):
    return lambda tree, leaf: [(weight_class, 0.05 * (tree + 1) * (leaf - 1.3))]


def positive(tree, leaf):
    return [(0, 0.03 * (tree + leaf))]


def each(tree, leaf):
    return [(target, 0.04 * (leaf + target + 1)) for target in range(3)]


def several(classes):
    return lambda tree, leaf: [((tree + leaf + k) % classes, 0.1 * (leaf + k) - 0.2 * (tree % 3)) for k in range(2)]


CLASSIFIER, REGRESSOR = "TreeEnsembleClassifier", "TreeEnsembleRegressor"
trees("modes", CLASSIFIER, ALL_MODES, several(3), classes=3)
trees("modes-missing", CLASSIFIER, ALL_MODES, several(3), classes=3, missing=1)
for transform in ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]:
    slug = transform.lower().replace("_", "-")
    trees(f"binary-{slug}", CLASSIFIER, ALL_MODES[:2], one(0), post_transform=transform)
    trees(f"several-{slug}", CLASSIFIER, ALL_MODES[:4], several(3), classes=3, post_transform=transform)
trees("several-probit", CLASSIFIER, ALL_MODES[:3], each, classes=3, post_transform="PROBIT")
trees("regressor-one-logistic", REGRESSOR, ALL_MODES[:3], one(0), post_transform="LOGISTIC")
trees("regressor-one-probit", REGRESSOR, ALL_MODES[:3], positive, post_transform="PROBIT", base_values=[0.1])
trees("binary-second-class", CLASSIFIER, ALL_MODES[:2], one(1), post_transform="LOGISTIC")
trees("binary-positive-weights", CLASSIFIER, ALL_MODES[:2], positive, post_transform="LOGISTIC")
trees("binary-one-base", CLASSIFIER, ALL_MODES[:2], one(0), base_values=[0.3], post_transform="LOGISTIC")
trees("binary-both-weights", CLASSIFIER, ALL_MODES[:2], several(2))
trees("three-bases", CLASSIFIER, ALL_MODES[:4], several(3), classes=3, base_values=[0.3, -0.2, 0.1])
for aggregate in ["SUM", "AVERAGE", "MIN", "MAX"]:
    slug = aggregate.lower()
    trees(
        f"regressor-{slug}", REGRESSOR, ALL_MODES[:3], lambda tree, leaf: [(t, leaf - tree + 0.5 * t) for t in (0, 1)],
        targets=2, aggregate_function=aggregate, base_values=[0.25, -0.5],
    )  # fmt: skip


def linear(name, transform, classes, units):
    def make():
        rows = helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, COLUMNS])
        label = helper.make_tensor_value_info("label", TensorProto.INT64, [None])
        scores = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, classes])
        node = helper.make_node(
            "LinearClassifier", ["input"], ["label", "probabilities"], domain="ai.onnx.ml", post_transform=transform,
            coefficients=WEIGHTS[:, :units].T.ravel().tolist(), intercepts=[0.1, 0.2, 0.3][:units],
            classlabels_ints=list(range(classes)),
        )  # fmt: skip
        graph = helper.make_graph([node], "zoo", [rows], [label, scores])
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    good[name] = (make, "probabilities", "scores", False)


for transform in ["NONE", "LOGISTIC", "SOFTMAX"]:
    if transform != "SOFTMAX":
        linear(f"linear-one-row-{transform.lower()}", transform, 2, 1)
    linear(f"linear-{transform.lower()}", transform, 3, 3)


# Bad ones: what verify must say.


def refused(name, says, make):
    bad[name] = (make, says)


def logistic(y=Y2, **options):
    return to_onnx(LogisticRegression().fit(X, y), X[:1], **{"target_opset": OPSET, **options})


def edited(model, edit):
    edit(model)
    return model


def external():
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[COLUMNS, 3], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    return simple([helper.make_node("MatMul", ["input", "w"], ["probabilities"])], [tensor])


def set_opset(model):
    model.opset_import[0].version = 99


def text_model():
    texts = ["win cash now", "see you at home", "cash prize", "home now"] * 2
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0] * 2)
    kind = skl_types.StringTensorType([None, 1])
    return to_onnx(model, initial_types=[("text", kind)], target_opset=OPSET)


def simple(nodes, initializers=(), kind=TensorProto.FLOAT, shape=(None, COLUMNS), output="probabilities"):
    rows = helper.make_tensor_value_info("input", kind, list(shape))
    out = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "zoo", [rows], [out], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def loop():
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("d", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    endless = numpy_helper.from_array(np.array(2**62, dtype=np.int64), "times")
    go = numpy_helper.from_array(np.array(True), "go")
    return simple([helper.make_node("Loop", ["times", "go", "input"], ["probabilities"], body=body)], [endless, go])


def doubling():
    names = ["input"] + [f"x{n}" for n in range(27)] + ["probabilities"]
    return simple(
        [helper.make_node("Concat", [a, a], [b], axis=1) for a, b in zip(names, names[1:], strict=False)]
    )


def huge_tensor():
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**31, 2**31], raw_data=b"\0" * 16)
    return simple([helper.make_node("MatMul", ["input", "w"], ["probabilities"])], [tensor])


def cyclic():
    model = ensemble(CLASSIFIER, ["BRANCH_LEQ"], one(0), columns=COLUMNS)
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "nodes_truenodeids":
            attribute.ints[1] = 0
    return model


def unequal():
    model = ensemble(CLASSIFIER, ["BRANCH_LEQ"], one(0), columns=COLUMNS)
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "nodes_values":
            attribute.floats.pop()
    return model


def other_columns():
    model = ensemble(CLASSIFIER, ["BRANCH_LEQ"], one(0), columns=COLUMNS)
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "nodes_featureids":
            attribute.ints[0] = 4_000_000
    return model


refused("bad-opset-99", "target_opset", lambda: edited(logistic(), set_opset))
refused("bad-external-data", "external data", external)
refused("bad-text-input", "text", text_model)
refused(
    "bad-double-input", "FloatTensorType",
    lambda: to_onnx(LogisticRegression().fit(X, Y2), X[:1].astype(np.float64), target_opset=OPSET),
)  # fmt: skip
refused("bad-kernel-svm", "SVMClassifier", lambda: to_onnx(SVC().fit(X, Y2), X[:1], target_opset=OPSET))
refused("bad-loop", "Loop", loop)
refused("bad-doubling-concat", "memory", doubling)
refused("bad-huge-tensor", "says that it has", huge_tensor)
refused("bad-cyclic-tree", "tree", cyclic)
refused("bad-unequal-lists", "nodes_values", unequal)
refused("bad-tree-column", "column 4000000", other_columns)
refused("bad-fixed-rows", "dynamic", lambda: simple([helper.make_node("Softmax", ["input"], ["probabilities"])], shape=(8, COLUMNS)))
refused("bad-output-label-only", "label", lambda: edited(logistic(), lambda m: m.graph.output.pop()))
refused(
    "bad-two-bases", "base_values",
    lambda: ensemble(CLASSIFIER, ALL_MODES[:2], one(1), columns=COLUMNS, base_values=[0.3, -0.2]),
)  # fmt: skip
refused(
    "bad-binary-probit", "PROBIT",
    lambda: ensemble(CLASSIFIER, ALL_MODES[:2], positive, columns=COLUMNS, post_transform="PROBIT"),
)  # fmt: skip
refused("bad-empty", "no ONNX", lambda: b"")
refused("bad-text-file", "no ONNX", lambda: b"this is not a model\n" * 10)
refused("bad-cut", "no ONNX", lambda: logistic().SerializeToString()[:-40])


def run(model, name, rows):
    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run([name], {session.get_inputs()[0].name: rows})
    if isinstance(found, list):  # ZipMap
        found = np.array([list(row.values()) for row in found])
    return np.asarray(found, dtype=np.float64).reshape(len(rows), -1)


def numbers(rows):
    return [[None if np.isnan(value) else round(float(value), 9) for value in row] for row in rows]


def main(names):
    FILES.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")
    for name, (make, output, gives, nonnegative) in good.items():
        if names and name not in names:
            continue
        try:
            model = make()
            model.doc_string = ""
            outputs = [found.name for found in model.graph.output]
            if output not in outputs:
                output = outputs[-1]
            rows = np.abs(SEEN) if nonnegative else SEEN.copy()
            if "missing" in name:
                rows[::2, ::2] = np.nan
            expected = run(model, output, rows)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
            continue
        data = model.SerializeToString()
        if len(data) >= BYTES_MAX:
            print(f"{name}: {len(data)} bytes", file=sys.stderr)
        (FILES / f"{name}.onnx").write_bytes(data)
        case = {"output": output, "gives": gives, "rows": numbers(rows), "expected": numbers(expected)}
        (FILES / f"{name}.json").write_text(json.dumps(case) + "\n")
    for name, (make, says) in bad.items():
        if names and name not in names:
            continue
        model = make()
        data = model if isinstance(model, bytes) else model.SerializeToString()
        (FILES / f"{name}.onnx").write_bytes(data)
        (FILES / f"{name}.json").write_text(json.dumps({"refused": says}) + "\n")


main(sys.argv[1:])
