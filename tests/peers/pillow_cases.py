"""Resampling of bytes by Pillow, for versions that do the two passes in different orders."""

import PIL
from PIL import Image, ImageOps
import numpy as np

from cases import Images, Vectors

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def picture(images):
    return Image.fromarray(images.values[0].transpose(1, 2, 0))


def planes(image):
    return np.asarray(image).transpose(2, 0, 1)[None]


def write(version, levels):
    """`levels` is how far bytes of each filter may be from ours."""
    assert PIL.__version__ == version, PIL.__version__
    vectors = Vectors("pillow", version, "run", "PIL.Image.resize, rotate; PIL.ImageOps")
    for filter, resampling in FILTERS.items():
        for size in [[4, 5], [7, 6], [12, 13], [8, 3], [3, 12], [9, 10]]:
            images = Images([1, 3, 9, 10])
            out = planes(picture(images).resize((size[1], size[0]), resampling))
            vectors.add(
                "resize",
                f"{filter}, 9 x 10 to {size[0]} x {size[1]}",
                {"size": size, "interpolation": filter},
                {},
                images,
                out,
                output_within=levels[filter],
            )
    for filter in ["bilinear", "bicubic"]:
        top, left, bottom, right = 1, 2, 8, 8
        images = Images([1, 3, 9, 10])
        out = planes(picture(images).crop((left, top, right, bottom)).resize((5, 4), FILTERS[filter]))
        vectors.add(
            "resized_crop",
            f"{filter}, cut and then resized to 4 x 5",
            {"size": [4, 5], "interpolation": filter},
            {"top": [top], "left": [left], "bottom": [bottom], "right": [right]},
            images,
            out,
            output_within=levels[filter],
        )
        images = Images([1, 3, 64, 48])
        out = planes(picture(images).resize((7, 8), FILTERS[filter]))
        vectors.add(
            "resize",
            f"{filter}, 64 x 48 to 8 x 7",
            {"size": [8, 7], "interpolation": filter},
            {},
            images,
            out,
            output_within=levels[filter],
        )
    for name, amount, call in [
        ("posterize", {"bits": 3}, lambda image: ImageOps.posterize(image, 3)),
        ("solarize", {"threshold": 128}, lambda image: ImageOps.solarize(image, 128)),
        ("invert", {}, ImageOps.invert),
        ("autocontrast", {}, ImageOps.autocontrast),
        ("equalize", {}, ImageOps.equalize),
    ]:
        images = Images([1, 3, 5, 6])
        vectors.add(
            name,
            f"bytes, {amount}" if amount else "bytes",
            {},
            amount,
            images,
            planes(call(picture(images))),
            output_within=1 if name == "autocontrast" else 0,
        )
    vectors.write()
