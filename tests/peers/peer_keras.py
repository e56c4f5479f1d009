"""Keras 3.15.1 on torch, run: layers.CutMix and layers.MixUp, seeded, with what they drew recorded."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch

from cases import Images, Labels, Vectors
from draws import box_columns, same

ENVIRONMENT = "torch"
PACKAGES = ["torch==2.15.0", "numpy==2.4.6", "keras==3.15.1"]


def numbers(value):
    return [float(number) for number in value]


def run(layer, images, labels):
    drawn = layer.get_random_transformation({"images": torch.from_numpy(images.values.copy())})
    out = layer.transform_images(torch.from_numpy(images.values.copy()), drawn)
    mixed = layer.transform_labels(torch.from_numpy(labels.rows), drawn)
    return drawn, out.numpy(), mixed.numpy()


def cutmix(vectors):
    """A pixel is in the box where its index is at or after the real-valued start and before the end; the label weight is of the real-valued area."""
    for seed in [1, 2, 6]:
        images, labels = Images([4, 1, 7, 9], "f32"), Labels.of(4)
        layer = keras.layers.CutMix(data_format="channels_first", seed=seed)
        bounds, compute = [], layer._compute_crop_bounds
        weights, generate = [], layer._generate_mix_weight

        def recorded_bounds(*arguments):
            bounds.append(compute(*arguments))
            return bounds[-1]

        def recorded_weight(*arguments):
            weights.append(generate(*arguments))
            return weights[-1]

        layer._compute_crop_bounds, layer._generate_mix_weight = recorded_bounds, recorded_weight
        drawn, out, mixed = run(layer, images, labels)
        (left, right), (top, bottom) = ([numbers(edge) for edge in edges] for edges in bounds)
        boxes = [tuple(int(np.ceil(edge)) for edge in edges) for edges in zip(top, left, bottom, right)]
        parameters = box_columns(boxes, drawn["permutation_order"].tolist()) | {"lam": numbers(drawn["mix_weight"])}
        vectors.add(
            "cutmix",
            f"seed {seed}",
            {"compat": "keras", "alpha": 1.0},
            parameters,
            images,
            out,
            labels,
            mixed,
            drawn={"lam": numbers(weights[0]), "top": top, "left": left, "bottom": bottom, "right": right},
        )


def mixup(vectors):
    for seed in [1, 2]:
        images, labels = Images([4, 1, 5, 6], "f32"), Labels.of(4)
        drawn, out, mixed = run(keras.layers.MixUp(alpha=0.2, data_format="channels_first", seed=seed), images, labels)
        vectors.add(
            "mixup",
            f"seed {seed}",
            {"compat": "keras", "alpha": 0.2},
            {
                "apply": same(True, 4),
                "lam": numbers(drawn["mix_weight"]),
                "partner": drawn["permutation_order"].tolist(),
            },
            images,
            out,
            labels,
            mixed,
        )


def main():
    torch.set_num_threads(1)
    vectors = Vectors("keras", "3.15.1", "run", "keras.layers.CutMix, MixUp on the torch backend")
    for add in (cutmix, mixup):
        add(vectors)
    vectors.write()


main()
