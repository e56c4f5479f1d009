"""kornia 0.9.0, run: augmentation.RandomCutMixV2, RandomMixUpV2 and RandomErasing, seeded, with what they drew recorded.

kornia returns labels as columns (own class, partner's class, lambda); they are made into shares here. In RandomMixUpV2
lambda weighs the partner. In RandomCutMixV2 it is the share of the box, so the partner's weight too, unless
`use_correct_lambda=True`: then it is the share that is left, the own weight, as in the paper.
"""

import warnings

import numpy as np
import torch
from kornia import augmentation
from kornia.augmentation.random_generator._2d import cutmix as generator
from kornia.augmentation.random_generator._2d import rectangle_earase

from cases import CLASSES, Images, Labels, Vectors
from draws import box_columns, hole_columns, same

ENVIRONMENT = "torch"
PACKAGES = ["torch==2.15.0", "numpy==2.4.6", "kornia==0.9.0"]

MAP = [4, 1, 7, 9]


def run(peer, images, labels, seed):
    torch.manual_seed(seed)
    out, columns = peer(torch.from_numpy(images.values.copy()), torch.tensor(labels.index))
    return out.numpy(), columns.numpy()


def shares(columns, weighs_own):
    """Rows of classes from the columns of one mix."""
    hot = np.eye(CLASSES, dtype=np.float32)
    own, other, lam = hot[columns[:, 0].astype(int)], hot[columns[:, 1].astype(int)], columns[:, 2:]
    return own * lam + other * (1 - lam) if weighs_own else own * (1 - lam) + other * lam


def corners(crop):
    """Boxes `(top, left, bottom, right)` with ends exclusive from kornia's four corners, which are x, y and inclusive."""
    return [(y0, x0, y1 + 1, x1 + 1) for (x0, y0), _, (x1, y1), _ in crop.int().tolist()]


def cutmix(vectors):
    for seed, correct, reading in [(0, True, "own"), (3, True, "own"), (3, False, "partner"), (3, False, "own")]:
        images, labels, uniforms = Images(MAP, "f32"), Labels.of(4), []
        sample = generator._adapted_rsampling

        def recorded(*arguments):
            uniforms.append(sample(*arguments))
            return uniforms[-1]

        generator._adapted_rsampling = recorded
        peer = augmentation.RandomCutMixV2(data_keys=["input", "class"], use_correct_lambda=correct)
        out, columns = run(peer, images, labels, seed)
        generator._adapted_rsampling = sample
        lam, across, down = ([float(value) for value in drawn] for drawn in uniforms)
        partner = peer._params["mix_pairs"][0].tolist()
        defect = None
        if not correct and reading == "own":
            defect = (
                "by default lambda is the share of the box and so weighs the partner; read as in the paper, as the weight of the sample itself, "
                "the labels are swapped, hence kornia's deprecation warning"
            )
        what = f"seed {seed}, " + (
            "lambda corrected"
            if correct
            else f"lambda by default, read as the weight of the {'sample itself' if defect else reading}"
        )
        vectors.add(
            "cutmix",
            what,
            {"compat": "kornia-0.9", "alpha": 1.0},
            box_columns(corners(peer._params["crop_src"][0]), partner),
            images,
            out,
            labels,
            shares(columns[0], reading == "own"),
            drawn={"lam": lam, "x": across, "y": down},
            defect=defect,
            differs=["labels_out"] if defect else [],
        )


def mixup(vectors):
    for seed in [1, 5]:
        images, labels = Images([4, 1, 5, 6], "f32"), Labels.of(4)
        peer = augmentation.RandomMixUpV2(data_keys=["input", "class"])
        out, columns = run(peer, images, labels, seed)
        weights = peer._params["mixup_lambdas"]
        vectors.add(
            "mixup",
            f"seed {seed}",
            {"compat": "kornia-0.9"},
            {
                "apply": same(True, 4),
                "lam": [float(1 - weight) for weight in weights],
                "partner": peer._params["mixup_pairs"].tolist(),
            },
            images,
            out,
            labels,
            shares(columns, False),
            drawn={"partner_weight": [float(weight) for weight in weights]},
            output_within=1e-6,
        )


def recorded_erasing(peer, images, seed):
    """Output and what was drawn: the area, the aspect (of two, a third number chooses), and the place as numbers of 0 to 1."""
    uniforms, sample = [], rectangle_earase._adapted_rsampling
    rectangle_earase._adapted_rsampling = lambda *arguments: uniforms.append(sample(*arguments)) or uniforms[-1]
    torch.manual_seed(seed)
    out = peer(torch.from_numpy(images.values.copy())).numpy()
    rectangle_earase._adapted_rsampling = sample
    area, *aspects, x, y = uniforms
    aspect = aspects[0] if len(aspects) == 1 else torch.where(aspects[2].round().bool(), *aspects[:2])
    drawn = {"area": area * images.shape[2] * images.shape[3], "aspect": aspect, "x": x, "y": y}
    return out, {name: [float(value) for value in values] for name, values in drawn.items()}


def random_erasing(vectors):
    for seed, options in [(0, {}), (2, {"value": 0.5}), (1, {"scale": (0.8, 0.9), "ratio": (3.0, 3.3)})]:
        images = Images([4, 1, 7, 9], "f32")
        peer = augmentation.RandomErasing(p=1.0, **options)
        out, numbers = recorded_erasing(peer, images, seed)
        drawn = {name: peer._params[name].int().tolist() for name in ("xs", "ys", "widths", "heights")}
        columns = hole_columns([[(y, x, y + h, x + w)] for x, y, w, h in zip(*drawn.values())])
        config = {"compat": "kornia-0.9", "p": 1.0, "fill": options.get("value", 0.0)}
        config |= {name: list(options[name]) for name in ("scale", "ratio") if name in options}
        vectors.add(
            "random_erasing",
            f"seed {seed}{', sides clamped to the image' if 'scale' in options else ''}",
            config,
            columns,
            images,
            out,
            drawn=numbers,
        )


def main():
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeprecationWarning)
    vectors = Vectors("kornia", "0.9.0", "run", "kornia.augmentation.RandomCutMixV2, RandomMixUpV2, RandomErasing")
    for add in (cutmix, mixup, random_erasing):
        add(vectors)
    vectors.write()


main()
