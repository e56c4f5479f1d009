"""OpenMixup 0.2.9, run: models/augments (cutmix.py, mixup.py, resizemix.py) alone, without mmcv.

It moves the permutation to a GPU, which is left out here. Only its distributed path (`dist_mode`) draws a permutation
without fixed points; the usual path draws any.
"""

import numpy as np
import torch

import modules
from cases import Images, Labels, Vectors
from draws import BOXES, MAP, box_columns, same, scripted

ENVIRONMENT = "torch"
PACKAGES = ["torch==2.15.0", "numpy==2.4.6"]
ALONE = ["openmixup==0.2.9"]

PARTNER = [2, 0, 3, 1]


def run(function, images, labels, **options):
    draws = {name: options.pop(name) for name in ("randint", "uniform") if name in options}
    with scripted(np.random, **draws), scripted(torch, randperm=[torch.tensor(PARTNER)]):
        out, (own, other, lam) = function(
            torch.from_numpy(images.values.copy()), torch.from_numpy(labels.rows), **options
        )
    return out.numpy(), (own * lam + other * (1 - lam)).numpy(), float(lam)


def interval(center, cut, side):
    return max(center - cut // 2, 0), min(center + cut // 2, side)


def cutmix(vectors, function):
    """Its first axis is called W and is the height: the center's row is drawn first."""
    for lam, cy, cx in BOXES:
        images, labels = Images(MAP), Labels.of(4)
        out, mixed, _ = run(function, images, labels, lam=lam, randint=[cy, cx])
        (top, bottom), (left, right) = (
            interval(center, int(side * np.sqrt(1 - lam)), side) for center, side in [(cy, 7), (cx, 9)]
        )
        vectors.add(
            "cutmix",
            f"lam {lam}, center {cy}, {cx}",
            {"compat": "openmixup", "alpha": 1.0},
            box_columns(same((top, left, bottom, right), 4), PARTNER),
            images,
            out,
            labels,
            mixed,
            drawn={"lam": lam, "center": [cy, cx]},
        )


def mixup(vectors, function):
    images, labels = Images([4, 1, 5, 6], "f32"), Labels.of(4)
    out, mixed, _ = run(function, images, labels, lam=0.3)
    vectors.add(
        "mixup",
        "lam 0.3",
        {"compat": "openmixup", "alpha": 1.0},
        {"apply": same(True, 4), "lam": same(0.3, 4), "partner": PARTNER},
        images,
        out,
        labels,
        mixed,
        drawn={"lam": 0.3},
        output_within=1e-6,
    )


def resizemix(vectors, function):
    """The whole partner, resized to the nearest pixel, into the clipped box; tau is the ratio of the sides."""
    for tau, (first, second) in [(0.5, (4, 3)), (0.75, (0, 7)), (0.3, (5, 6))]:
        images, labels = Images([4, 1, 8, 8]), Labels.of(4)
        out, mixed, _ = run(function, images, labels, uniform=[tau], randint=[first, second])
        # The first number drawn is the column here, unlike in its CutMix.
        (left, right), (top, bottom) = (interval(center, int(8 * tau), 8) for center in (first, second))
        vectors.add(
            "resizemix",
            f"tau {tau}, center {second}, {first}",
            {"compat": "openmixup"},
            box_columns(same((top, left, bottom, right), 4), PARTNER),
            images,
            out,
            labels,
            mixed,
            drawn={"tau": tau, "center": [second, first]},
        )
    images, labels = Images([4, 2, 6, 9]), Labels.of(4)
    try:
        run(function, images, labels, uniform=[0.75], randint=[2, 8])
    except RuntimeError as error:
        vectors.refuses(
            "resizemix",
            "images that are not square",
            {"compat": "openmixup"},
            images,
            error,
            "OpenMixup draws the box with height and width exchanged and then pastes it the right way round, so it may lie outside the image; "
            "ours takes each side from its own axis",
        )


def main():
    torch.set_num_threads(1)
    torch.Tensor.cuda = lambda tensor: tensor
    folder = "openmixup/models/augments"
    vectors = Vectors("openmixup", "0.2.9", "run", "openmixup.models.augments: cutmix, mixup, resizemix")
    stub = {"openmixup__models__utils": type("utils", (), {"batch_shuffle_ddp": None})}
    for name, add in [("cutmix", cutmix), ("mixup", mixup), ("resizemix", resizemix)]:
        add(vectors, getattr(modules.load(f"{folder}/{name}.py", **stub), name))
    vectors.write()


main()
