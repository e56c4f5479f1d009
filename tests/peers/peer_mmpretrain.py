"""MMPretrain 1.2.0, run: models/utils/batch_augments (mixup.py, cutmix.py, resizemix.py) alone, without mmcv and mmengine."""

import numpy as np
import torch

import modules
from cases import Images, Labels, Vectors
from draws import BOXES, MAP, box_columns, same, scripted

ENVIRONMENT = "torch"
PACKAGES = ["torch==2.15.0", "numpy==2.4.6"]
ALONE = ["mmpretrain==1.2.0"]

PARTNER = [2, 1, 3, 0]
FOLDER = "mmpretrain/models/utils/batch_augments"


class Registry:
    """Registers nothing."""

    class BATCH_AUGMENTS:
        @staticmethod
        def register_module():
            return lambda kind: kind


def run(peer, images, labels, **draws):
    """Output, labels and the box, if the peer makes one."""
    boxes = []
    if hasattr(peer, "cutmix_bbox_and_lam"):
        make = peer.cutmix_bbox_and_lam
        peer.cutmix_bbox_and_lam = lambda *arguments: boxes.append(make(*arguments)) or boxes[-1]
    with scripted(np.random, **draws), scripted(torch, randperm=[torch.tensor(PARTNER)]):
        out, mixed = peer(torch.from_numpy(images.values.copy()), torch.from_numpy(labels.rows))
    return out.numpy(), mixed.numpy(), *((top, left, bottom, right) for (top, bottom, left, right), _ in boxes)


def cutmix(vectors, kind):
    for lam, cy, cx in BOXES:
        images, labels = Images(MAP), Labels.of(4)
        out, mixed, box = run(kind(alpha=1.0), images, labels, beta=[lam], randint=[cy, cx])
        vectors.add(
            "cutmix",
            f"lam {lam}, center {cy}, {cx}",
            {"compat": "mmpretrain", "alpha": 1.0},
            box_columns(same(box, 4), PARTNER),
            images,
            out,
            labels,
            mixed,
            drawn={"lam": lam, "center": [cy, cx]},
        )
    images, labels = Images(MAP), Labels.of(4)
    out, mixed, box = run(kind(alpha=1.0, correct_lam=False), images, labels, beta=[0.3], randint=[0, 8])
    vectors.add(
        "cutmix",
        "lam 0.3, center 0, 8, label weight not corrected",
        {"compat": "mmpretrain", "alpha": 1.0, "lam": "nominal"},
        box_columns(same(box, 4), PARTNER) | {"lam": same(0.3, 4)},
        images,
        out,
        labels,
        mixed,
        drawn={"lam": 0.3, "center": [0, 8]},
    )
    images, labels = Images(MAP), Labels.of(4)
    out, mixed, box = run(kind(alpha=1.0, cutmix_minmax=[0.3, 0.85]), images, labels, beta=[0.5], randint=[3, 5, 2, 1])
    vectors.add(
        "cutmix",
        "minmax, sides 3 x 5 at 2, 1",
        {"compat": "mmpretrain", "size": {"minmax": [0.3, 0.85]}},
        box_columns(same(box, 4), PARTNER),
        images,
        out,
        labels,
        mixed,
        drawn={"sides": [3, 5], "corner": [2, 1]},
    )


def mixup(vectors, kind):
    images, labels = Images([4, 1, 5, 6], "f32"), Labels.of(4)
    out, mixed = run(kind(alpha=0.8), images, labels, beta=[0.3])
    vectors.add(
        "mixup",
        "lam 0.3",
        {"compat": "mmpretrain", "alpha": 0.8},
        {"apply": same(True, 4), "lam": same(0.3, 4), "partner": PARTNER},
        images,
        out,
        labels,
        mixed,
        drawn={"lam": 0.3},
        output_within=1e-6,
    )


def resizemix(vectors, kind):
    """The whole partner, resized bilinear without antialiasing, into the box; the side is sqrt(1 - lam) with lam scaled into 0.1 .. 0.8."""
    for beta, cy, cx in [(0.2, 3, 4), (0.5, 0, 8)]:
        images, labels = Images([4, 1, 7, 9], "f32"), Labels.of(4)
        out, mixed, box = run(kind(alpha=1.0), images, labels, beta=[beta], randint=[cy, cx])
        vectors.add(
            "resizemix",
            f"beta {beta}, center {cy}, {cx}",
            {"compat": "mmpretrain", "alpha": 1.0},
            box_columns(same(box, 4), PARTNER),
            images,
            out,
            labels,
            mixed,
            drawn={"lam": beta * (0.8 - 0.1) + 0.1, "center": [cy, cx]},
            output_within=1e-5,
        )


def main():
    torch.set_num_threads(1)
    mixups = modules.load(f"{FOLDER}/mixup.py", mmpretrain__registry=Registry)
    cutmixes = modules.load(f"{FOLDER}/cutmix.py")
    resizemixes = modules.load(f"{FOLDER}/resizemix.py")
    vectors = Vectors("mmpretrain", "1.2.0", "run", "mmpretrain.models.utils.batch_augments: CutMix, Mixup, ResizeMix")
    cutmix(vectors, cutmixes.CutMix)
    mixup(vectors, mixups.Mixup)
    resizemix(vectors, resizemixes.ResizeMix)
    vectors.write()


main()
