"""Tiny ONNX models for tests: one matrix and a bias, with or without a softmax behind them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper


def linear_model(
    path: Path,
    weights: Sequence[Sequence[float]],
    bias: Sequence[float],
    *,
    rows: int = 1,
    softmax: bool = True,
    output: str = "probabilities",
) -> Path:
    """Write a model that gives ``bias + features @ weights``; ``weights`` has a line for each feature."""
    matrix = np.asarray(weights, dtype=np.float32)
    given = [1, len(weights) // rows] if rows == 1 else [1, rows, len(weights) // rows]
    nodes = [
        helper.make_node("Flatten", ["features"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["raw"]),
        helper.make_node("Softmax" if softmax else "Identity", ["raw"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, len(bias)])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, matrix.shape, matrix.flatten().tolist()),
            helper.make_tensor("bias", TensorProto.FLOAT, [len(bias)], list(bias)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
