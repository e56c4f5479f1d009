"""Composer (mosaicml) 0.32.1, run: algorithms/cutmix/cutmix.py, mixup/mixup.py and cutout/cutout.py alone, without its trainer."""

from unittest.mock import MagicMock

import numpy as np
import torch

import modules
from cases import Images, Labels, Vectors
from draws import BOXES, MAP, box_columns, hole_columns, same, scripted

ENVIRONMENT = "torch"
PACKAGES = ["torch==2.15.0", "numpy==2.4.6", "pillow==13.0.0"]
ALONE = ["mosaicml==0.32.1"]

PARTNER = [2, 1, 3, 0]


def run_cutmix(function, images, labels, **options):
    """Its W is the height: the box is (top, left, bottom, right), and the center's row is drawn first."""
    draws = {name: options.pop(name) for name in ("beta", "randint") if name in options}
    with scripted(np.random, **draws):
        out, other, lam, box = function(
            torch.from_numpy(images.values.copy()),
            torch.from_numpy(labels.rows),
            indices=torch.tensor(PARTNER),
            **options,
        )
    return out.numpy(), labels.rows * lam + other.numpy() * (1 - lam), box


def cutmix(vectors, function):
    for lam, cy, cx in BOXES:
        images, labels = Images(MAP), Labels.of(4)
        out, mixed, box = run_cutmix(function, images, labels, beta=[lam], randint=[cy, cx])
        vectors.add(
            "cutmix",
            f"lam {lam}, center {cy}, {cx}",
            {"compat": "composer", "alpha": 1.0},
            box_columns(same(box, 4), PARTNER),
            images,
            out,
            labels,
            mixed,
            drawn={"lam": lam, "center": [cy, cx]},
        )
    for lam, cy, cx in [(0.35, -3, 11), (0.75, 7, 4)]:
        images, labels = Images(MAP), Labels.of(4)
        out, mixed, box = run_cutmix(function, images, labels, beta=[lam], randint=[cy, cx], uniform_sampling=True)
        vectors.add(
            "cutmix",
            f"centers beyond the border, lam {lam}, center {cy}, {cx}",
            {"compat": "composer", "alpha": 1.0, "center": "uniform_pixel"},
            box_columns(same(box, 4), PARTNER),
            images,
            out,
            labels,
            mixed,
            drawn={"lam": lam, "center": [cy, cx]},
        )


def fixed_length(vectors, function):
    """Documented as a box of `length * H` by `length * W`."""
    images, labels = Images([4, 1, 8, 8]), Labels.of(4)
    out, mixed, _ = run_cutmix(function, images, labels, randint=[4, 4], length=0.5)
    vectors.add(
        "cutmix",
        "length 0.5",
        {"size": {"fixed": 4}, "partner": "permute"},
        box_columns(same((2, 2, 6, 6), 4), PARTNER),
        images,
        out,
        labels,
        mixed,
        drawn={"center": [4, 4]},
        differs=["output", "labels_out"],
        defect="the area of the box is taken for the share that is kept: with length 0.5 the side is sqrt(1 - 0.25) * 8 = 6 and not 4",
    )


def mixup(vectors, function):
    """Its `mixing` weighs the partner."""
    images, labels = Images([4, 1, 5, 6], "f32"), Labels.of(4)
    out, other, mixing = function(
        torch.from_numpy(images.values.copy()), torch.from_numpy(labels.rows), mixing=0.3, indices=torch.tensor(PARTNER)
    )
    vectors.add(
        "mixup",
        "weight of the partner 0.3",
        {"compat": "composer", "alpha": 0.2},
        {"apply": same(True, 4), "lam": same(0.7, 4), "partner": PARTNER},
        images,
        out.numpy(),
        labels,
        labels.rows * (1 - mixing) + other.numpy() * mixing,
        drawn={"partner_weight": 0.3},
        output_within=1e-6,
    )


def cutout(vectors, function):
    """One hole for the whole batch."""
    for (cy, cx), hole, uniform in [
        ((3, 4), (1, 2, 5, 6), False),
        ((0, 8), (0, 6, 2, 9), False),
        ((8, -1), (6, 0, 7, 1), True),
    ]:
        images = Images([2, 1, 7, 9], "f32")
        with scripted(np.random, randint=[cy, cx]):
            out = function(torch.from_numpy(images.values.copy()), length=0.6, uniform_sampling=uniform)
        config = {"compat": "composer", "length": 0.6} | ({"placement": "uniform_pixel"} if uniform else {})
        vectors.add(
            "cutout",
            f"length 0.6 of 7, center {cy}, {cx}",
            config,
            hole_columns(same([hole], 2)),
            images,
            out.numpy(),
            drawn={"center": [cy, cx]},
        )


def main():
    torch.set_num_threads(1)

    class Algorithm:
        pass

    shared = type(
        "shared", (), {"image_as_tensor_type": None, "image_as_type": staticmethod(lambda image, kind: image)}
    )
    stubs = {
        "composer__core": MagicMock(Algorithm=Algorithm),
        "composer__loggers": MagicMock(),
        "composer__loss__utils": MagicMock(),
        "composer__algorithms__utils__augmentation_common": shared,
    }
    vectors = Vectors("composer", "0.32.1", "run", "composer.algorithms: cutmix_batch, mixup_batch, cutout_batch")
    cut = modules.load("composer/algorithms/cutmix/cutmix.py", **stubs).cutmix_batch
    cutmix(vectors, cut)
    fixed_length(vectors, cut)
    mixup(vectors, modules.load("composer/algorithms/mixup/mixup.py", **stubs).mixup_batch)
    cutout(vectors, modules.load("composer/algorithms/cutout/cutout.py", **stubs).cutout_batch)
    vectors.write()


main()
