"""Checks ONNX models and runs them in onnx's reference evaluator: python evaluate.py CASES_DIR

Every folder CASES_DIR/case-* holds a case.json:

    {"model": "../model-0000.onnx", "inputs": [{"name": "cutmix/top", "file": "input-0.pb"}]}

The paths start from the folder of the case, and the inputs are serialized TensorProto messages.
Without "inputs" the model is checked and not run. Each case gets a result.json,

    {"ok": true} or {"ok": false, "stage": "checker|inference|reference", "message": "..."}

and, when it ran, output-0.pb, output-1.pb, ... in the order of the graph's outputs.
"""

import functools
import json
import os
import sys
from multiprocessing import Pool
from pathlib import Path
from typing import List, Optional, Tuple

# One thread each: sums come out the same on every machine, and the processes do not compete.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_max_pool import MaxPool as DefectiveMaxPool
from onnx.reference.ops.op_pad import Pad_18

# Starting processes takes about as long as this many cases.
FEW = 100


class GatherElements(OpRun):
    """onnx 1.23.2 refuses negative axes, more than 64 elements along the axis, and indices that are smaller than the
    data on other axes."""

    op_domain = ""

    def _run(self, data, indices, axis=None):
        axis = (axis or 0) % data.ndim
        # numpy broadcasts where ONNX reads a corner of the data.
        corner = tuple(slice(None) if at == axis else slice(side) for at, side in enumerate(indices.shape))
        return (numpy.take_along_axis(data[corner], indices, axis),)


class MaxPool(DefectiveMaxPool):
    """With strides of 1, onnx 1.23.2 reads `pads` as begin and end of each axis in turn, though the begins of all axes
    come first, so that other pads than equal ones give another shape or an error."""

    op_domain = ""

    def _run(self, x, **attributes):
        kernel, pads = attributes["kernel_shape"], attributes["pads"]
        strides = attributes["strides"] or [1] * len(kernel)
        usual = attributes["auto_pad"] in (None, "NOTSET") and not attributes["ceil_mode"]
        if not usual or set(attributes["dilations"] or [1]) != {1} or len(self.onnx_node.output) != 1:
            return super()._run(x, **attributes)
        widths = list(zip(pads[: len(kernel)], pads[len(kernel) :])) if pads else [(0, 0)] * len(kernel)
        padded = numpy.pad(x, [(0, 0), (0, 0)] + widths, constant_values=lowest(x.dtype))
        axes = tuple(range(2, x.ndim))
        windows = numpy.lib.stride_tricks.sliding_window_view(padded, tuple(kernel), axes)
        windows = windows[(slice(None), slice(None)) + tuple(slice(None, None, stride) for stride in strides)]
        return (windows.max(axis=tuple(range(-len(kernel), 0))),)


class Pad(Pad_18):
    """onnx 1.23.2 refuses negative pads, which remove elements."""

    op_domain = ""

    def _run(self, data, pads, constant_value=None, axes=None, mode=None):
        axes = range(data.ndim) if axes is None else [int(axis) % data.ndim for axis in axes]
        kept = [slice(None)] * data.ndim
        for at, axis in enumerate(axes):
            begin, end = min(int(pads[at]), 0), min(int(pads[at + len(axes)]), 0)
            kept[axis] = slice(-begin, data.shape[axis] + end)
        return super()._run(data[tuple(kept)], numpy.maximum(pads, 0), constant_value, numpy.array(axes), mode)


def lowest(dtype: numpy.dtype):
    """The value that no maximum is below."""
    return -numpy.inf if dtype.kind == "f" else numpy.iinfo(dtype).min


class Failure(Exception):
    """What went wrong, and at which stage."""

    def __init__(self, stage: str, error: Exception):
        super().__init__(f"{type(error).__name__}: {error}")
        self.stage = stage


@functools.lru_cache(maxsize=None)
def checked(path: Path) -> Tuple[Optional[onnx.ModelProto], Optional[Failure]]:
    """A model that passed both checks, with the shapes that were inferred, or why it did not; many cases share one."""
    stage = "checker"
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        stage = "inference"
        return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True), None
    except Exception as error:
        return None, Failure(stage, error)


@functools.lru_cache(maxsize=None)
def ready(path: Path) -> ReferenceEvaluator:
    """A checked model, ready to run: it compares every tensor with the shape that was inferred for it."""
    inferred, _ = checked(path)
    return ReferenceEvaluator(inferred, new_ops=[GatherElements, MaxPool, Pad], check_shape_annotations=True)


def run(folder: Path, case: dict, evaluator: ReferenceEvaluator) -> None:
    """Runs a case on its inputs and writes the outputs."""
    tensors = [(given["name"], onnx.load_tensor(folder / given["file"])) for given in case["inputs"]]
    feeds = {name: onnx.numpy_helper.to_array(tensor) for name, tensor in tensors}
    # uint64 products wrap and NaN are compared on purpose.
    with numpy.errstate(all="ignore"):
        outputs = evaluator.run(None, feeds)
    for place, (name, output) in enumerate(zip(evaluator.output_names, outputs)):
        tensor = onnx.numpy_helper.from_array(numpy.asarray(output), name)
        (folder / f"output-{place}.pb").write_bytes(tensor.SerializeToString())


def evaluate(folder: Path) -> None:
    """Writes the result of one case."""
    result = {"ok": True}
    try:
        case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        path = (folder / case["model"]).resolve()
        _, failure = checked(path)
        if failure is not None:
            raise failure
        if "inputs" in case:
            run(folder, case, ready(path))
    except Exception as error:
        failure = error if isinstance(error, Failure) else Failure("reference", error)
        result = {"ok": False, "stage": failure.stage, "message": str(failure)}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def main(cases: Path) -> None:
    # Cases of one model mostly follow each other by name, so that a chunk checks it once.
    folders: List[Path] = sorted(cases.glob("case-*"))
    workers = os.cpu_count() or 1
    if workers == 1 or len(folders) < FEW:
        for folder in folders:
            evaluate(folder)
        return
    with Pool(workers) as pool:
        pool.map(evaluate, folders, chunksize=-(-len(folders) // (4 * workers)))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
