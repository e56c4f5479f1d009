"""Counts the tensors of ONNX models that a step can act on: python clean_cuts.py MODEL...

Prints `path activations clean` for each model. Activations are the outputs of nodes of the main graph that depend on
the values of the inputs, that an output depends on through a node, and not those that are computed from sizes; clean ones are those that every path
from the graph's inputs to its outputs goes through. They are found by brute force: a tensor is clean when no output can be reached without it, and some
output can be reached with it.
"""

import sys

import onnx

RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}


def bodies(node):
    """The graphs inside a node."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def initializers(graph):
    return {tensor.name for tensor in graph.initializer} | {tensor.values.name for tensor in graph.sparse_initializer}


def reads(node):
    """The names that a node reads, those that its bodies capture included."""
    names = {name for name in node.input if name}
    for body in bodies(node):
        own = initializers(body) | {port.name for port in body.input}
        own |= {name for inner in body.node for name in inner.output}
        used = {port.name for port in body.output}.union(*map(reads, body.node))
        names |= used - own
    return names


def is_random(node):
    return node.op_type in RANDOM or any(is_random(inner) for body in bodies(node) for inner in body.node)


def value_reads(node, varying):
    """The tensors with values that a node takes values from; of some operators' inputs only the size or type counts."""
    sized = {"Shape": 0, "Size": 0, "EyeLike": 0, "RandomNormalLike": 0, "RandomUniformLike": 0, "CastLike": 1}
    skipped = sized.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    taken = {name for slot, name in enumerate(node.input) if slot != skipped}
    return {name for name in reads(node) & varying if name in taken or name not in node.input}


def count(model):
    graph = model.graph
    inputs = {port.name for port in graph.input} - initializers(graph)
    outputs = {port.name for port in graph.output}
    random_functions = any(is_random(node) for function in model.functions for node in function.node)

    # (names read, names written) of every node whose values vary with those of the inputs, or are drawn.
    live, varying = [], set(inputs)
    for node in graph.node:
        draws = is_random(node) or (random_functions and node.domain not in ("", "ai.onnx"))
        read = value_reads(node, varying)
        if draws or read:
            written = [name for name in node.output if name]
            live.append((read, written))
            varying.update(written)

    reached = set(inputs)
    for read, written in live:
        if read & reached:
            reached.update(written)
    needed, used = set(outputs), set()
    for read, written in reversed(live):
        if needed & set(written):
            needed |= read
            used |= read
    activations = [name for _, written in live for name in written if name in reached and name in used]

    def connected(removed):
        """Whether a path leads from an input to an output without `removed`; nodes are in topological order."""
        marked = inputs - {removed}
        for read, written in live:
            if read & marked:
                marked.update(name for name in written if name != removed)
        return bool(marked & outputs)

    return len(activations), sum(connected(None) and not connected(name) for name in activations)


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(path, *count(onnx.load(path, load_external_data=False)))
