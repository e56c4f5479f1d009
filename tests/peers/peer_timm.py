"""timm 1.0.31, run: timm.data.mixup (Mixup, FastCollateMixup) and timm.data.random_erasing (RandomErasing)."""

import random

import torch
from timm.data import mixup
from timm.data.random_erasing import RandomErasing

import timm_cases
from cases import Images, Labels, Vectors
from draws import hole_columns, same, scripted

ENVIRONMENT = "torch"
PACKAGES = ["torch==2.15.0", "torchvision==0.29.2", "numpy==2.4.6", "timm==1.0.31"]

VERSION = "1.0.31"


def multi_label(vectors):
    """Smoothing of labels of several classes is towards one half, which is not the smoothing of one class."""
    rows = [[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    images, labels = Images(timm_cases.SMALL, "f32"), Labels(rows=rows)
    peer = timm_cases.Recorded(mixup, "Mixup", mixup_alpha=0.8, multi_label=True)
    out, mixed = peer.run(images, labels, beta=[0.3])
    vectors.add(
        "mixup",
        "labels of several classes",
        {"compat": "timm-1.0.31", "alpha": 0.8, "mode": "batch"},
        {"apply": same(True, 4), "lam": same(0.3, 4), "partner": timm_cases.FLIP},
        images,
        out,
        labels,
        mixed,
        drawn={"lam": 0.3},
        output_within=1e-6,
    )
    peer = timm_cases.Recorded(mixup, "Mixup", mixup_alpha=0.8, multi_label=True, label_smoothing=0.1)
    out, mixed = peer.run(images, labels, beta=[0.3])
    vectors.add(
        "mixup",
        "labels of several classes, smoothing 0.1",
        {"compat": "timm-1.0.31", "alpha": 0.8, "mode": "batch"},
        {"apply": same(True, 4), "lam": same(0.3, 4), "partner": timm_cases.FLIP},
        images,
        out,
        labels,
        mixed,
        drawn={"lam": 0.3},
        output_within=1e-6,
        before={"label_smoothing": {"smoothing": 0.1, "multi_label": True}},
    )


def erasing(vectors):
    """`area` and `log_aspect` are the draws; of the second case the first try does not fit."""
    tries = {
        "one": ({}, [[(20.0, 0.5, 1, 4)], [(6.0, -0.9, 0, 0)], [(18.0, 0.0, 3, 5)], [(3.0, 1.1, 2, 7)]]),
        "a second try": ({"max_area": 0.9}, [[(56.0, 1.0, None, None), (10.0, 0.3, 2, 1)]] * 4),
        "three": ({"min_count": 3}, [[(20.0, 0.5, 1, 4), (6.0, -0.9, 0, 0), (18.0, 0.0, 3, 5)]] * 4),
    }
    for what, (options, samples) in tries.items():
        images, count = Images([4, 1, 7, 9], "f32"), options.get("min_count", 1)
        uniform, randint, holes = [], [], []
        for sample in samples:
            hole = []
            for area, log_aspect, top, left in sample:
                uniform += [area / 63, log_aspect]
                height, width = (
                    round((area / count * 2.718281828459045**sign) ** 0.5) for sign in (log_aspect, -log_aspect)
                )
                if top is not None:
                    randint += [top, left]
                    hole.append((top, left, top + height, left + width))
            holes.append(hole)
        with scripted(random, uniform=uniform, randint=randint, random=same(0.0, 4)):
            out = RandomErasing(probability=1.0, device="cpu", **options)(torch.from_numpy(images.values.copy()))
        config = (
            {"compat": "timm-1.0.31", "p": 1.0}
            | ({"count": count} if count > 1 else {})
            | ({"scale": [0.02, 0.9]} if "max_area" in options else {})
        )
        vectors.add(
            "random_erasing",
            f"constant 0, {what}",
            config,
            hole_columns(holes),
            images,
            out.numpy(),
            drawn={
                "area": [[area for area, *_ in sample] for sample in samples],
                "log_aspect": [[aspect for _, aspect, *_ in sample] for sample in samples],
            },
        )


def main():
    vectors = Vectors(
        "timm", VERSION, "run", "timm.data.mixup.Mixup, FastCollateMixup; timm.data.random_erasing.RandomErasing"
    )
    timm_cases.add_all(vectors, mixup, "timm-1.0.31")
    multi_label(vectors)
    erasing(vectors)
    vectors.write()


main()
