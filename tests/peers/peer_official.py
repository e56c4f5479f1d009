"""The authors' own code, from its formulas: it is on GitHub only, so nothing is installed but numpy.

- CutMix: clovaai/CutMix-PyTorch at 2d8eb68, train.py: `rand_bbox` and the block after `if args.beta > 0 and r < args.cutmix_prob`.
- mixup: facebookresearch/mixup-cifar10 at eaff31a, train.py: `mixup_data`.
- Cutout: uoguelph-mlrg/Cutout at 287f934, util/cutout.py: `Cutout.__call__`.
- Random Erasing: zhunzhong07/Random-Erasing at ed05424, transforms.py: `RandomErasing.__call__`.
"""

import math

import numpy as np

from cases import Images, Labels, Vectors
from draws import BOXES, MAP, box_columns, hole_columns, same

ENVIRONMENT = "plain"
PACKAGES = ["numpy==2.4.6"]

PARTNER = [2, 1, 3, 0]


def interval(center, length, side):
    """Start and end of `length` pixels around a center: an odd length loses one pixel, and the border clips."""
    return max(center - length // 2, 0), min(center + length // 2, side)


def cutmix(vectors):
    for lam, cy, cx in BOXES:
        images, labels = Images(MAP), Labels.of(4)
        height, width = MAP[2:]
        cut = math.sqrt(1 - lam)
        (top, bottom), (left, right) = interval(cy, int(height * cut), height), interval(cx, int(width * cut), width)
        out = images.values.copy()
        out[:, :, top:bottom, left:right] = images.values[PARTNER, :, top:bottom, left:right]
        weight = 1 - (bottom - top) * (right - left) / (height * width)
        mixed = labels.rows * weight + labels.rows[PARTNER] * (1 - weight)
        vectors.add(
            "cutmix",
            f"lam {lam}, center {cy}, {cx}",
            {"compat": "official", "alpha": 1.0},
            box_columns(same((top, left, bottom, right), 4), PARTNER),
            images,
            out,
            labels,
            mixed,
            drawn={"lam": lam, "center": [cy, cx]},
        )


def mixup(vectors):
    for lam in [0.3, 0.5]:
        images, labels = Images([4, 1, 5, 6], "f32"), Labels.of(4)
        own, rest = np.float32(lam), np.float32(1 - lam)
        out = own * images.values + rest * images.values[PARTNER]
        mixed = labels.rows * own + labels.rows[PARTNER] * rest
        vectors.add(
            "mixup",
            f"lam {lam}",
            {"compat": "official", "alpha": 1.0},
            {"apply": same(True, 4), "lam": same(lam, 4), "partner": PARTNER},
            images,
            out,
            labels,
            mixed,
            drawn={"lam": lam},
            output_within=1e-6,
        )


def cutout(vectors):
    """An odd length and a center at the border; two holes that overlap."""
    for length, centers in [
        (4, [[(3, 4)], [(0, 8)]]),
        (5, [[(6, 0)], [(2, 2)]]),
        (4, [[(3, 4), (4, 6)], [(0, 0), (6, 8)]]),
    ]:
        images = Images([2, 2, 7, 9], "f32")
        out, holes = images.values.copy(), []
        for image, points in zip(out, centers):
            spans = [interval(cy, length, 7) + interval(cx, length, 9) for cy, cx in points]
            holes.append([(top, left, bottom, right) for top, bottom, left, right in spans])
            for top, left, bottom, right in holes[-1]:
                image[:, top:bottom, left:right] = 0
        vectors.add(
            "cutout",
            f"length {length}, {len(centers[0])} of them",
            {"compat": "official", "length": length, "count": len(centers[0])},
            hole_columns(holes),
            images,
            out,
            drawn={"center": centers},
        )


def random_erasing(vectors):
    """The aspect is uniform, not its logarithm, and the fill is the mean of each channel. (area, aspect, top, left); area at most 0.4 of 63."""
    mean = [0.4914, 0.4822, 0.4465]
    draws = [(20.0, 1.5, 1, 4), (6.0, 0.4, 0, 0), (25.0, 1.0, 2, 4), (3.0, 3.0, 4, 7)]
    images, boxes = Images([4, 3, 7, 9], "f32"), []
    out = images.values.copy()
    for image, (area, aspect, top, left) in zip(out, draws):
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        assert height < 7 and width < 9 and top + height <= 7 and left + width <= 9
        image[:, top : top + height, left : left + width] = np.float32(mean)[:, None, None]
        boxes.append([(top, left, top + height, left + width)])
    vectors.add(
        "random_erasing",
        "four rectangles, filled with the mean",
        {"compat": "official", "p": 1.0, "fill": mean},
        hole_columns(boxes),
        images,
        out,
        drawn={"area": [draw[0] for draw in draws], "aspect": [draw[1] for draw in draws]},
    )


def main():
    vectors = Vectors(
        "official",
        "2d8eb68 (CutMix), eaff31a (mixup), 287f934 (Cutout), ed05424 (Random Erasing)",
        "formula",
        __doc__.strip(),
    )
    for add in (cutmix, mixup, cutout, random_erasing):
        add(vectors)
    vectors.write()


main()
