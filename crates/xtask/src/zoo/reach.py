"""Says of every tensor of a model whether the image reaches the outputs without it: reach.py MODEL HEIGHT WIDTH.

This is the second opinion on `augraft sites`, and shares nothing with it: the graph is written out as a relation between values, bodies of `If`,
`Loop` and `Scan` included, a tensor is taken away, and what can still be reached from the image is walked. What depends on the shape of a tensor
alone carries none of its values. Shapes are those that ONNX Runtime computes for two images, not inferred ones.

Prints lines of fields between tabs: `batch fixed|free`, `classes K` for a classifier, and for every tensor with values of the image
`tensor NAME clean|bypassed|output map|other TYPE SHAPE`.
"""

import collections
import itertools
import os
import sys

import numpy
import onnx
import onnxruntime
from onnx.inliner import inline_local_functions

# Their outputs depend on the shape of their input at most.
SHAPE_ONLY = {"Shape", "Size", "ConstantOfShape", "EyeLike", "RandomNormalLike", "RandomUniformLike", "SequenceLength"}
# Inputs of which only the type or the shape matters.
IGNORED_INPUTS = {"CastLike": {1}}
FLOATS = {numpy.dtype("float16"), numpy.dtype("float32"), numpy.dtype("float64")}


class Values:
    """Which value is computed from which; a name means another value in every body that makes it."""

    def __init__(self):
        self.readers = collections.defaultdict(set)
        self.count = itertools.count()

    def new(self):
        return next(self.count)

    def join(self, sources, targets):
        for source in sources:
            if source is not None:
                self.readers[source].update(target for target in targets if target is not None)

    def graph(self, graph, outer, inputs=None):
        """Adds the nodes of a graph, whose inputs are those values, and returns the values of all its names."""
        scope = dict(outer)
        for weight in graph.initializer:
            scope[weight.name] = self.new()
        for at, value in enumerate(graph.input):
            if inputs is not None and at < len(inputs):
                scope[value.name] = inputs[at]
            elif value.name not in scope or inputs is None:
                scope[value.name] = self.new()
        for node in graph.node:
            self.node(node, scope)
        return scope

    def node(self, node, scope):
        inputs = [scope.get(name) if name else None for name in node.input]
        outputs = [self.new() if name else None for name in node.output]
        bodies = {attribute.name: attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH}
        if node.op_type == "If":
            self.join(inputs, outputs)
            for body in bodies.values():
                self.join_each(self.results(body, scope), outputs)
        elif node.op_type == "Loop":
            self.loop(bodies["body"], inputs, outputs, scope)
        elif node.op_type == "Scan":
            self.scan(node, bodies["body"], inputs, outputs, scope)
        elif bodies:
            for body in bodies.values():
                entries = [self.new() for _ in body.input]
                self.join(inputs, entries)
                self.join(self.results(body, scope, entries), outputs)
        elif node.op_type not in SHAPE_ONLY:
            ignored = IGNORED_INPUTS.get(node.op_type, ())
            self.join([value for at, value in enumerate(inputs) if at not in ignored], outputs)
        scope.update((name, value) for name, value in zip(node.output, outputs) if name)

    def results(self, body, scope, inputs=None):
        inner = self.graph(body, scope, inputs)
        return [inner.get(output.name) for output in body.output]

    def join_each(self, sources, targets):
        for source, target in zip(sources, targets):
            self.join([source], [target])

    def loop(self, body, inputs, outputs, scope):
        entries = [self.new() for _ in body.input]
        results = self.results(body, scope, entries)
        carried = inputs[2:]
        self.join_each(inputs[:2], entries[:2])
        self.join_each(carried, entries[2:])
        self.join_each(carried, outputs)
        # Round again: what a pass leaves is what the next one begins with.
        self.join_each(results, entries[1:][: 1 + len(carried)])
        self.join_each(results[1:], outputs)
        # How often it passes decides about everything.
        self.join(inputs[:2] + results[:1], outputs)

    def scan(self, node, body, inputs, outputs, scope):
        scanned = next(attribute.i for attribute in node.attribute if attribute.name == "num_scan_inputs")
        states = len(inputs) - scanned
        entries = [self.new() for _ in body.input]
        results = self.results(body, scope, entries)
        self.join_each(inputs, entries)
        self.join_each(inputs[:states], outputs)
        self.join_each(results[:states], entries[:states])
        self.join_each(results, outputs)

    def reached(self, start, without=None):
        seen, queue = {start}, [start]
        while queue:
            for reader in self.readers.get(queue.pop(), ()):
                if reader not in seen and reader != without:
                    seen.add(reader)
                    queue.append(reader)
        return seen


def image_of(graph):
    """The input that is an image: the first of rank 4, else the first float one, else the first."""
    weights = {weight.name for weight in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    ranked = [value for value in inputs if len(value.type.tensor_type.shape.dim) == 4]
    floats = [value for value in inputs if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    return (ranked or floats or inputs)[0], inputs


def first_dimension(value):
    dimension = value.type.tensor_type.shape.dim
    return dimension[0].dim_value if dimension and dimension[0].dim_value > 0 else None


def run(path, model, image, inputs, height, width):
    """Every tensor of the main graph that ONNX Runtime computes, for a batch as large as the model takes."""
    dimensions = [dimension.dim_value for dimension in image.type.tensor_type.shape.dim]
    batch = first_dimension(image) or 2
    channels_last = len(dimensions) == 4 and dimensions[3] in (1, 3) and dimensions[1] not in (1, 3)
    open_sizes = [None, height, width, None] if channels_last else [None, None, height, width]
    shape = [batch] + [size if size > 0 else open_sizes[at] for at, size in enumerate(dimensions) if at > 0]
    graph = model.graph
    known = {output.name for output in graph.output}
    for node in graph.node:
        for name in node.output:
            if name and name not in known:
                known.add(name)
                graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Every tensor is asked for, so none may be optimized away.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    whole = f"{path}.{os.getpid()}.reach"
    try:
        # Beside the model, where its external data are.
        onnx.save(model, whole)
        session = onnxruntime.InferenceSession(whole, options, providers=["CPUExecutionProvider"])
        if len(inputs) > 1 or len(dimensions) != 4:
            return batch, {}
        values = numpy.random.default_rng(0).standard_normal(shape)
        kind = onnx.helper.tensor_dtype_to_np_dtype(image.type.tensor_type.elem_type)
        values = (values * 64 + 128).clip(0, 255).astype(kind) if kind.kind in "ui" else values.astype(kind)
        names = [output.name for output in session.get_outputs()]
        return batch, dict(zip(names, session.run(names, {image.name: values})))
    finally:
        if os.path.exists(whole):
            os.remove(whole)


def main():
    path, height, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    model = inline_local_functions(onnx.load(path, load_external_data=False))
    graph = model.graph
    image, inputs = image_of(graph)
    outputs = {output.name for output in graph.output}
    values = Values()
    scope = values.graph(graph, {})
    start = scope[image.name]
    named = {name: scope[name] for node in graph.node for name in node.output if name}
    goals = {scope[name] for name in outputs}
    carrying = values.reached(start)

    try:
        batch, computed = run(path, model, image, inputs, height, width)
    except Exception as error:
        print(f"note\tONNX Runtime does not compute the shapes: {' '.join(str(error).split())[:200]}")
        batch, computed = first_dimension(image) or 2, {}
    print(f"batch\t{'fixed' if first_dimension(image) else 'free'}")
    if len(outputs) == 1 and len(inputs) == 1:
        answer = computed.get(next(iter(outputs)))
        if answer is not None and answer.ndim >= 2 and answer.shape[0] == batch and answer.size == batch * answer.shape[1]:
            print(f"classes\t{answer.shape[1]}")
    for name, value in named.items():
        if value not in carrying:
            continue
        if value in goals:
            state = "output"
        elif not goals & values.reached(value):
            # Nothing that the model answers depends on it.
            continue
        else:
            state = "bypassed" if goals & values.reached(start, without=value) else "clean"
        array = computed.get(name)
        is_map = array is not None and hasattr(array, "dtype") and array.dtype in FLOATS and array.ndim in (3, 4) and array.shape[0] == batch
        shape = list(array.shape) if hasattr(array, "shape") else "?"
        print(f"tensor\t{name}\t{state}\t{'map' if is_map else 'other'}\t{getattr(array, 'dtype', '?')}\t{shape}")


main()
