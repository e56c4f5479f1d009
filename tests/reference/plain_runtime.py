"""Runs a grafted ONNX file with nothing but onnxruntime.

    python plain_runtime.py MODEL.onnx --seed S --epoch E --batch N

Feeds made images (and labels, where the file has them), the seed, the epoch and the indices of the samples: twice the
same, and once with other indices. Prints one line of JSON with

- outputs: their names
- same: whether both runs gave the same bytes
- other: whether other indices gave other outputs
- finite: whether no output holds a NaN or an infinity
"""

import argparse
import json

import numpy
import onnxruntime

TYPES = {
    "tensor(uint8)": numpy.uint8,
    "tensor(int32)": numpy.int32,
    "tensor(int64)": numpy.int64,
    "tensor(float)": numpy.float32,
    "tensor(double)": numpy.float64,
}

# Sides of the images where the file leaves them open.
UNKNOWN = 32


def feeds_for(session, seed, epoch, batch):
    """What a user of the file feeds, made from the declared inputs alone."""
    made = numpy.random.default_rng(0)
    feeds = {}
    for port in session.get_inputs():
        dtype = TYPES[port.type]
        # A free first side is the batch; a fixed one stays.
        sides = [side if isinstance(side, int) else UNKNOWN for side in port.shape]
        if sides and not isinstance(port.shape[0], int):
            sides[0] = batch
        if port.name == "images":
            values = made.integers(0, 256, sides)
            feeds[port.name] = values.astype(dtype) if dtype == numpy.uint8 else (values / 128 - 1).astype(dtype)
        elif port.name == "labels":
            rows, classes = sides
            feeds[port.name] = numpy.eye(classes, dtype=dtype)[numpy.arange(rows) % classes]
        elif port.name in ("seed", "epoch"):
            feeds[port.name] = numpy.array(seed if port.name == "seed" else epoch, dtype)
        elif port.name == "index":
            feeds[port.name] = numpy.arange(sides[0], dtype=dtype)
        else:
            raise SystemExit(f"the file asks for {port.name}, which is no input of a grafted file")
    return feeds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--epoch", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    arguments = parser.parse_args()

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(arguments.model, options, providers=["CPUExecutionProvider"])
    feeds = feeds_for(session, arguments.seed, arguments.epoch, arguments.batch)
    first, second = session.run(None, feeds), session.run(None, feeds)
    other = first
    if "index" in feeds:
        other = session.run(None, {**feeds, "index": feeds["index"] + 1000})

    def same(ones, others):
        return all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(ones, others))

    report = {
        "outputs": [port.name for port in session.get_outputs()],
        "same": same(first, second),
        "other": not same(first, other),
        "finite": all(bool(numpy.isfinite(output).all()) for output in first),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
