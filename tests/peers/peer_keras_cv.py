"""KerasCV 0.9.0 on TensorFlow 2.15, run: layers.CutMix with given draws. There is no preset of ours for it.

Its box has the sides int(L * sqrt(1 - lam)) around an integer center, corners at center -+ side / 2 in halves of pixels;
a pixel is in the box where its index is at or after the start and before the end.
"""

import math

import numpy as np
import tensorflow as tf
from keras_cv.layers import CutMix

from cases import Images, Labels, Vectors
from draws import box_columns, scripted

ENVIRONMENT = "tensorflow"
PACKAGES = ["tensorflow-cpu==2.15.1", "keras-cv==0.9.0", "tensorflow-datasets==4.9.4", "tensorflow-metadata==1.15.0"]

PARTNER = [2, 0, 3, 1]


def box(lam, cy, cx, height, width):
    """The pixels of the box, ends exclusive."""
    sides = [int(np.float32(np.sqrt(np.float32(1) - np.float32(lam))) * np.float32(side)) for side in (height, width)]
    first = [max(math.ceil(center - side / 2), 0) for center, side in zip((cy, cx), sides)]
    end = [min(math.ceil(center + side / 2), limit) for center, side, limit in zip((cy, cx), sides, (height, width))]
    return (*first, *end)


def main():
    vectors = Vectors("keras-cv", "0.9.0", "run", "keras_cv.layers.CutMix")
    for what, draws, clipped in [
        ("boxes inside", [(0.75, 3, 4), (0.6, 3, 5), (0.35, 3, 4), (0.97, 2, 3)], False),
        ("boxes over the border", [(0.3, 0, 8), (0.75, 6, 4), (0.5, 3, 0), (0.6, 3, 5)], True),
    ]:
        images, labels = Images([4, 1, 7, 9], "f32"), Labels.of(4)
        lam, cy, cx = (list(column) for column in zip(*draws))
        layer = CutMix()
        layer._sample_from_beta = lambda *_: tf.constant(lam, tf.float32)
        with scripted(tf.random, shuffle=[tf.constant(PARTNER)], uniform=[tf.constant(cy), tf.constant(cx)]):
            result = layer._batch_augment(
                {"images": tf.constant(images.values.transpose(0, 2, 3, 1)), "labels": tf.constant(labels.rows)}
            )
        boxes = [box(*draw, 7, 9) for draw in draws]
        defect = (
            "the label weight is of the box before it was clipped, so a box over the border gives the partner more weight than pixels"
            if clipped
            else None
        )
        vectors.add(
            "cutmix",
            what,
            {"alpha": 1.0, "mode": "elem", "partner": "permute"},
            box_columns(boxes, PARTNER),
            images,
            result["images"].numpy().transpose(0, 3, 1, 2),
            labels,
            result["labels"].numpy(),
            defect=defect,
            differs=["labels_out"] if clipped else [],
            drawn={"lam": lam, "center": [list(center) for center in zip(cy, cx)]},
        )
    vectors.write()


main()
