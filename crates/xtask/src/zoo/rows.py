"""Runs a file on three images in ONNX Runtime: rows.py FILE HEIGHT WIDTH [ORIGINAL].

Every output has a row for each image. With ORIGINAL, the file is that model with a free batch: each row is what the original answers to that image
alone. Prints `ok`, or one line that says what is wrong.
"""

import sys

import numpy
import onnxruntime

ROWS = 3


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feed(value, height, width, generator):
    """Three of whatever the input is: images, labels, or the address of a draw."""
    kind = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(int64)": "int64", "tensor(uint8)": "uint8"}[value.type]
    rank = len(value.shape)
    if rank == 0:
        return numpy.zeros((), kind)
    if rank == 1:
        return numpy.arange(ROWS).astype(kind)
    if rank == 2:
        return numpy.eye(ROWS, value.shape[1] if isinstance(value.shape[1], int) else 7, dtype=kind)
    channels_last = value.shape[3] in (1, 3) and value.shape[1] not in (1, 3)
    open_sizes = [None, height, width, None] if channels_last else [None, 3, height, width]
    shape = [ROWS] + [size if isinstance(size, int) and size > 0 else open_sizes[at] for at, size in enumerate(value.shape) if at > 0]
    if kind == "uint8":
        return generator.integers(0, 256, shape, dtype=kind)
    return generator.standard_normal(shape).astype(kind)


def problem(path, height, width, original):
    file = session(path)
    generator = numpy.random.default_rng(1)
    inputs = {value.name: feed(value, height, width, generator) for value in file.get_inputs()}
    names = [output.name for output in file.get_outputs()]
    answers = dict(zip(names, file.run(names, inputs)))
    for name, answer in answers.items():
        if answer.ndim == 0 or answer.shape[0] != ROWS:
            return f"wrong rows: {ROWS} images give {name} the shape {list(answer.shape)}"
    if original is None:
        return None
    single = session(original)
    for row in range(ROWS):
        alone = single.run(names, {name: value[row : row + 1] for name, value in inputs.items()})
        for name, expected in zip(names, alone):
            difference = numpy.abs(answers[name][row : row + 1].astype("float64") - expected).max()
            if not difference <= 1e-3 * max(1.0, numpy.abs(expected).max()):
                return f"wrong rows: row {row} of {name} differs by {difference:.3g} from the answer to that image alone"
    return None


def main():
    path, height, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    try:
        found = problem(path, height, width, sys.argv[4] if len(sys.argv) > 4 else None)
    except Exception as error:
        found = "ONNX Runtime: " + " ".join(str(error).split())
    print(found or "ok")


main()
