"""A linear model over features, its out-of-fold scores, and its ONNX graph."""

import copy

import corpus
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.naive_bayes import ComplementNB
from sklearn.svm import LinearSVC

INPUT = "features"
# Of a weight. Coarse enough that the last bits of a processor's sums do not reach the file.
WEIGHT_DECIMALS = 4


def targets(rows, labels):
    """[rows, labels] true or false; two labels: one column, about the second."""
    held = [row.label if isinstance(row.label, tuple) else (row.label,) for row in rows]
    wanted = labels[1:] if len(labels) == 2 else labels
    return np.array([[label in of_row for label in wanted] for of_row in held])


BAYES_SMOOTHING = 0.05


class Linear:
    """One linear SVM a column of the targets, one-vs-rest.

    With `bayes`, complement naive Bayes votes too, with this weight against the SVMs. It is linear in the same columns,
    so the two are one model."""

    # The output of the graph, and what the manifest says of it.
    output = gives = "scores"

    def __init__(self, make_features, labels, bayes=0.0):
        self.make_features, self.labels, self.bayes = make_features, labels, bayes

    def fit(self, rows):
        self.features = self.make_features().fit(rows)
        inputs, wanted = self.features.transform(rows), targets(rows, self.labels)
        machines = [LinearSVC(random_state=0, max_iter=5000).fit(inputs, column) for column in wanted.T]
        weights = np.column_stack([machine.coef_[0] for machine in machines])
        if self.bayes:
            votes = bayes_weights(inputs, wanted)
            weights = weights + self.bayes * (inputs @ weights).std() / (inputs @ votes).std() * votes
        self.weights = rounded(weights)
        self.bias = rounded(np.array([machine.intercept_[0] for machine in machines]))
        return self

    def scores(self, rows):
        """[rows, columns of the targets]"""
        return self.features.transform(rows) @ self.weights + self.bias

    @property
    def outputs(self):
        return self.weights.shape[1]

    def out_of_fold(self, rows, count=5, in_time=False):
        """Scores of each row by a model that has not seen it: what calibration and thresholds are made of."""
        fold = corpus.folds_of(rows, count, in_time)
        parts, places = [], []
        for number in range(count):
            inside = [row for row, its in zip(rows, fold, strict=True) if its != number]
            outside = [row for row, its in zip(rows, fold, strict=True) if its == number]
            corpus.assert_apart(inside, outside)
            parts.append(copy.copy(self).fit(inside).scores(outside))
            places.append(np.flatnonzero(fold == number))
        return np.vstack(parts)[np.argsort(np.concatenate(places))]

    def onnx(self, name):
        """float32 [rows, columns] in, float32 [rows, columns of the targets] out; the scaler is the engine's."""
        weights, bias = self.weights.astype(np.float32), self.bias.astype(np.float32)
        graph = helper.make_graph(
            [helper.make_node("Gemm", [INPUT, "weights", "bias"], [self.output])],
            name,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", weights.shape[0]])],
            [helper.make_tensor_value_info(self.output, TensorProto.FLOAT, ["rows", weights.shape[1]])],
            [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
        )
        opset = [helper.make_opsetid("", 17)]
        made = helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="assize")
        onnx.checker.check_model(made)
        return made.SerializeToString(deterministic=True)


def bayes_weights(inputs, wanted):
    """[columns, labels], less their mean: what all labels have in common decides nothing."""
    votes = ComplementNB(alpha=BAYES_SMOOTHING).fit(inputs, wanted.argmax(axis=1)).feature_log_prob_.T
    return votes - votes.mean(axis=1, keepdims=True)


def rounded(weights):
    return np.round(weights, WEIGHT_DECIMALS) + 0.0  # Turns -0.0 into 0.0.


def run_onnx(graph, output, inputs):
    """[rows, columns of the output] as onnxruntime computes them, row by row: a batch may be summed in another order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    dense = inputs.toarray().astype(np.float32)
    return np.vstack([session.run([output], {INPUT: row[np.newaxis]})[0] for row in dense])
