"""Trained models from files: ONNX by onnxruntime (the ``model`` extra), TorchScript by torch (the ``torch`` extra).

A model is a function from a matrix of numbers to numbers. It is run on one thread of the processor, so that the same
numbers give the same answer every time. TorchScript runs code that the file brings along: use only files you trust.
"""

import hashlib
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from live_trading.domain.errors import InvalidInput

_FIELD = "strategy_config.model"
ONNX = (".onnx",)
TORCH_SCRIPT = (".pt", ".pth", ".ts")

Rows = Sequence[Sequence[float]]


class Model(NamedTuple):
    """A loaded model. ``digest`` is the SHA-256 of its file: what says in the journal which model it was."""

    digest: str
    predict: Callable[[Rows], list[float]]
    """Takes rows of features, oldest first, and gives the model's numbers. One row goes in as a vector."""


def check_model_file(path: Path) -> None:
    """Raise :class:`InvalidInput` where :func:`load_model` certainly would; nothing is loaded."""
    if path.suffix not in (*ONNX, *TORCH_SCRIPT):
        raise InvalidInput(_FIELD, f"{path} is neither ONNX nor TorchScript", "Export the model as .onnx, or as .pt")
    if not path.is_file():
        raise InvalidInput(_FIELD, f"there is no file {path}", "Give the path of a model")


def load_model(path: Path, output: str | None = None) -> Model:
    """The model of a file. ``output`` names which of several outputs of an ONNX model is read; the last one if None.

    Raises :class:`InvalidInput` for a file that is no such model, and for an extra that is not installed.
    """
    check_model_file(path)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    try:
        predict = _onnx(content, output) if path.suffix in ONNX else _torch_script(path)
    except ImportError as error:
        extra = "model" if path.suffix in ONNX else "torch"
        raise InvalidInput(
            _FIELD, f"{path.name} needs a package: {error}", f"pip install 'live-trading[{extra}]'"
        ) from error
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput(
            _FIELD, f"{path} cannot be loaded: {type(error).__name__}: {error}", "Export it again"
        ) from error
    return Model(digest, predict)


def _onnx(content: bytes, output: str | None) -> Callable[[Rows], list[float]]:
    import numpy as np
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    inputs, names = session.get_inputs(), [each.name for each in session.get_outputs()]
    if len(inputs) != 1:
        raise InvalidInput(_FIELD, f"it has {len(inputs)} inputs", "Export a model of one input, the features")
    if output is not None and output not in names:
        raise InvalidInput("strategy_config.output", f"the model has no {output!r}", f"It has {', '.join(names)}")
    chosen, (given,) = output or names[-1], inputs
    kind = np.float64 if given.type == "tensor(double)" else np.float32

    def predict(rows: Rows) -> list[float]:
        (answer,) = session.run([chosen], {given.name: _shaped(np.asarray(rows, dtype=kind), len(given.shape))})
        if isinstance(answer, list):  # of scikit-learn's: [{class: probability}]
            (row,) = answer
            return [float(value) for _, value in sorted(row.items())]
        return [float(value) for value in np.asarray(answer).reshape(-1)]

    return predict


def _torch_script(path: Path) -> Callable[[Rows], list[float]]:
    import numpy as np

    torch = importlib.import_module("torch")  # by name, for it is there or not
    module = torch.jit.load(str(path), map_location="cpu")
    module.eval()
    torch.set_num_threads(1)

    def predict(rows: Rows) -> list[float]:
        matrix = np.asarray(rows, dtype=np.float32)
        with torch.no_grad():
            answer = module(torch.from_numpy(_shaped(matrix, 2 if len(matrix) == 1 else 3)))
        return [float(value) for value in answer.reshape(-1)]

    return predict


def _shaped(matrix: Any, dimensions: int) -> Any:
    """One sample: [1, features] of a single row, else [1, rows, features], or flat where the model wants it so."""
    return matrix.reshape(1, -1) if dimensions == 2 else matrix.reshape(1, *matrix.shape)
