"""Random functions that hand out given values in turn, so that a peer draws what a case says."""

import random
from contextlib import contextmanager

import numpy as np

from cases import EDGES


@contextmanager
def scripted(owner, **queues):
    """Replaces `owner.NAME` by a queue for each `NAME=[...]`; every value is used, and integers lie in the range that was asked for."""
    queues = {name: list(values) for name, values in queues.items()}
    kept = {name: getattr(owner, name) for name in queues}

    def replacement(name):
        def draw(*bounds, size=None, high=None, **_):
            value = queues[name].pop(0)
            if name == "randint":
                low, end = (
                    (0, bounds[0])
                    if len(bounds) == 1 and high is None
                    else (bounds[0], high if high is not None else bounds[1])
                )
                end += owner is random
                assert np.all(low <= np.asarray(value)) and np.all(np.asarray(value) < end), (value, low, end)
            return value

        return draw

    for name in queues:
        setattr(owner, name, replacement(name))
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(owner, name, function)
    assert not any(queues.values()), f"not drawn: {queues}"


# Boxes by nominal lam and center, for maps of 7 x 9: inside with one odd side, clipped at a corner, too small for an even
# side, the whole map, and both sides odd.
BOXES = [(0.75, 3, 4), (0.3, 0, 8), (0.97, 2, 3), (0.0, 6, 0), (0.35, 3, 4)]
MAP = [4, 2, 7, 9]


def same(value, n):
    """A column whose rows are all the same."""
    return [value] * n


def box_columns(boxes, partner):
    """The columns of a mixing operator for boxes `(top, left, bottom, right)`, one for each sample."""
    edges = {edge: [int(box[k]) for box in boxes] for k, edge in enumerate(EDGES)}
    return {"apply": same(True, len(boxes))} | edges | {"partner": list(partner)}


def hole_columns(samples):
    """The columns of an erasing operator for a list of boxes `(top, left, bottom, right)` of each sample."""
    edges = {edge: [[int(hole[k]) for hole in holes] for holes in samples] for k, edge in enumerate(EDGES)}
    return {"apply": [bool(any(bottom > top for top, _, bottom, _ in holes)) for holes in samples]} | edges
