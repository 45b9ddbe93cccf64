"""A scikit-learn classifier to ONNX, and its probabilities as onnxruntime computes them."""

import numpy as np
import onnxruntime
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

INPUT, OUTPUT = "features", "probabilities"
# Of a weight. Coarse enough that the last bits of a processor's sums do not reach the file.
WEIGHT_DECIMALS = 4


def round_weights(classifier):
    """In place; the probabilities, the threshold and the metrics are all computed after it."""

    def rounded(weights):
        return np.round(weights, WEIGHT_DECIMALS) + 0.0  # Turns -0.0 into 0.0.

    for name in ("coefs_", "intercepts_"):
        if hasattr(classifier, name):
            setattr(classifier, name, [rounded(layer) for layer in getattr(classifier, name)])
    for name in ("coef_", "intercept_"):
        if hasattr(classifier, name):
            setattr(classifier, name, rounded(getattr(classifier, name)))
    return classifier


def to_onnx(classifier, name, width):
    """float32 [rows, width] in, float32 [rows, classes] out. No scaler: the engine scales."""
    model = convert_sklearn(
        classifier,
        name=name,
        initial_types=[(INPUT, FloatTensorType([None, width]))],
        final_types=None,
        options={id(classifier): {"zipmap": False}},
        target_opset={"": 17, "ai.onnx.ml": 3},
    )
    return model.SerializeToString(deterministic=True)


def probabilities(onnx, rows):
    """[rows, classes], row by row: a batch may be summed in another order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    return np.vstack([session.run([OUTPUT], {INPUT: row[np.newaxis]})[0] for row in rows])
