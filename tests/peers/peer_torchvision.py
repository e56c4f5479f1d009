"""torchvision 0.29.2, run: transforms.v2 (CutMix, MixUp, RandomErasing, flips, crops, resizing, normalisation)."""

import math

import numpy as np
import torch
from torchvision import transforms
from torchvision.transforms import v2
from torchvision.transforms.functional import _get_inverse_affine_matrix
from torchvision.transforms.v2 import functional as F

from cases import CLASSES, Images, Labels, Vectors
from draws import BOXES, MAP, box_columns, hole_columns, same, scripted

ENVIRONMENT = "torch"
PACKAGES = ["torch==2.15.0", "torchvision==0.29.2", "numpy==2.4.6"]

ROLL = [3, 0, 1, 2]


class Fixed:
    """A distribution that gives one number."""

    def __init__(self, value):
        self.value = value

    def sample(self, _):
        return torch.tensor([self.value])


def tensor(images):
    return torch.from_numpy(images.values.copy())


def cutmix(vectors):
    for (lam, cy, cx), dtype in [(box, "u8") for box in BOXES] + [(BOXES[1], "f32")]:
        images, labels = Images(MAP if dtype == "u8" else [4, 1, 7, 9], dtype), Labels.of(4)
        peer, box = v2.CutMix(num_classes=CLASSES), {}
        peer._dist = Fixed(lam)
        make = peer.make_params
        peer.make_params = lambda flat: box.update(make(flat)) or box
        with scripted(torch, randint=[torch.tensor([cx]), torch.tensor([cy])]):
            out, mixed = peer(tensor(images), torch.tensor(labels.index))
        left, top, right, bottom = box["box"]
        vectors.add(
            "cutmix",
            f"{dtype}, lam {lam}, center {cy}, {cx}",
            {"compat": "torchvision", "alpha": 1.0},
            box_columns(same((top, left, bottom, right), 4), ROLL),
            images,
            out.numpy(),
            labels,
            mixed.numpy(),
            drawn={"lam": float(np.float32(lam)), "center": [cy, cx]},
        )


def soft_labels(vectors):
    rows = np.array([[1, 0, 0, 0, 0], [0.25, 0.75, 0, 0, 0], [0, 0, 0.5, 0, 0.5], [0, 0, 0, 1, 0]])
    images, labels = Images([4, 1, 5, 6], "f32"), Labels(rows=rows)
    peer = v2.MixUp()
    peer._dist = Fixed(0.3)
    out, mixed = peer(tensor(images), torch.from_numpy(labels.rows))
    vectors.add(
        "mixup",
        "labels that are shares already",
        {"compat": "torchvision", "alpha": 1.0},
        {"apply": same(True, 4), "lam": same(float(np.float32(0.3)), 4), "partner": ROLL},
        images,
        out.numpy(),
        labels,
        mixed.numpy(),
    )


def mixup(vectors):
    for lam in [0.3, 0.9, 0.0]:
        images, labels = Images([4, 1, 5, 6], "f32"), Labels.of(4)
        peer = v2.MixUp(num_classes=CLASSES)
        peer._dist = Fixed(lam)
        out, mixed = peer(tensor(images), torch.tensor(labels.index))
        vectors.add(
            "mixup",
            f"lam {lam}",
            {"compat": "torchvision", "alpha": 1.0},
            {"apply": same(True, 4), "lam": same(float(np.float32(lam)), 4), "partner": ROLL},
            images,
            out.numpy(),
            labels,
            mixed.numpy(),
        )
    images = Images([4, 2, 5, 6])
    try:
        v2.MixUp(num_classes=CLASSES)(tensor(images), torch.tensor(Labels.of(4).index))
    except RuntimeError as error:
        vectors.refuses(
            "mixup",
            "bytes",
            {"compat": "torchvision", "alpha": 1.0},
            images,
            error,
            "torchvision multiplies bytes in place by a float, which torch refuses; ours mixes in f32 and rounds to the nearest level",
        )


def random_erasing(vectors):
    """One rectangle per call; a batch of ours is four calls. The seeds are ones whose rectangles differ much."""
    for dtype, value in [("u8", [7.0, 0.0, 255.0]), ("f32", [0.0])]:
        images = Images([4, 3 if dtype == "u8" else 1, 7, 9], dtype)
        outs, boxes = [], []
        for seed, image in enumerate(tensor(images)):
            torch.manual_seed(seed)
            peer = v2.RandomErasing(p=1.0, value=value)
            drawn = peer.make_params([image])
            boxes.append([(drawn["i"], drawn["j"], drawn["i"] + drawn["h"], drawn["j"] + drawn["w"])])
            outs.append(peer.transform(image, drawn).numpy())
        vectors.add(
            "random_erasing",
            f"{dtype}, fill {value}",
            {"compat": "torchvision", "p": 1.0, "fill": value if len(value) > 1 else value[0]},
            hole_columns(boxes),
            images,
            np.stack(outs),
        )


def no_room(vectors):
    """All ten tries are as large as the image: nothing is erased."""
    images = Images([1, 1, 4, 4])
    with scripted(math, sqrt=same(4.0, 20)):
        out = v2.RandomErasing(p=1.0, scale=(0.9, 1.0))(tensor(images)[0])
    nothing = hole_columns([[(0, 0, 0, 0)]])
    vectors.add(
        "random_erasing",
        "no try fits",
        {"compat": "torchvision", "p": 1.0, "scale": [0.9, 1.0]},
        nothing,
        images,
        out.numpy()[None],
    )


def erased_sides(vectors):
    """From area and aspect to sides: halves go to even."""
    images = Images([4, 1, 12, 13])
    outs, boxes, draws = [], [], []
    for image, (area, log_aspect) in zip(tensor(images), [(6.25, 0.0), (12.25, 0.0), (30.0, 0.6), (9.0, -1.1)]):
        made = iter([torch.tensor([area / 156], dtype=torch.float64), torch.tensor([log_aspect], dtype=torch.float64)])
        peer = v2.RandomErasing(p=1.0)
        with scripted(torch, empty=[Uniform(made), Uniform(made)], randint=[torch.tensor([1]), torch.tensor([2])]):
            drawn = peer.make_params([image])
        outs.append(peer.transform(image, drawn).numpy())
        boxes.append([(drawn["i"], drawn["j"], drawn["i"] + drawn["h"], drawn["j"] + drawn["w"])])
        draws.append((area, log_aspect))
    vectors.add(
        "random_erasing",
        "sides by area and aspect",
        {"compat": "torchvision", "p": 1.0},
        hole_columns(boxes),
        images,
        np.stack(outs),
        drawn={"area": [area for area, _ in draws], "log_aspect": [aspect for _, aspect in draws]},
    )


class Uniform:
    """A tensor to be filled, which takes the next number instead."""

    def __init__(self, made):
        self.made = made

    def uniform_(self, *_):
        return next(self.made)


def flips(vectors):
    for name, flip in [("horizontal_flip", F.horizontal_flip), ("vertical_flip", F.vertical_flip)]:
        for dtype in ["u8", "f32"]:
            images = Images([2, 2, 5, 6], dtype)
            out = tensor(images)
            out[1] = flip(out[1])
            vectors.add(
                name, f"{dtype}, the second sample only", {"p": 0.5}, {"apply": [False, True]}, images, out.numpy()
            )


def crops(vectors):
    for (top, left), (height, width), padding in [((2, 3), (4, 5), 0), ((-2, 4), (6, 6), 2), ((-1, -2), (9, 13), 2)]:
        images = Images([2, 2, 7, 9])
        padded = F.pad(tensor(images), [padding] * 4)
        out = F.crop(padded, top + padding, left + padding, height, width)
        vectors.add(
            "random_crop",
            f"{height} x {width} at {top}, {left}, padding {padding}",
            {"size": [height, width], "padding": padding},
            {"top": same(top, 2), "left": same(left, 2)},
            images,
            out.numpy(),
        )
    for size in [[4, 4], [6, 5], [4, 7], [10, 12], [5, 12]]:
        images = Images([1, 2, 7, 9])
        out = F.center_crop(tensor(images), size)
        corner = [
            round((side - window) / 2) if side >= window else -((window - side) // 2)
            for side, window in zip([7, 9], size)
        ]
        vectors.add(
            "center_crop",
            f"{size[0]} x {size[1]} of 7 x 9",
            {"size": size},
            {"top": [corner[0]], "left": [corner[1]]},
            images,
            out.numpy(),
        )


def resizes(vectors):
    """With antialiasing. Bytes go through floats here and through integers on a CPU with AVX2: one level apart at most."""
    for filter in ["bilinear", "bicubic"]:
        for dtype in ["u8", "f32"]:
            for size in [[5, 6], [13, 12]] if dtype == "u8" else [[5, 6], [8, 11]]:
                images = Images([1, 2, 9, 10], dtype)
                out = F.resize(tensor(images), size, interpolation=transforms.InterpolationMode(filter), antialias=True)
                vectors.add(
                    "resize",
                    f"{filter}, {dtype}, 9 x 10 to {size[0]} x {size[1]}",
                    {"size": size, "interpolation": filter},
                    {},
                    images,
                    out.numpy(),
                    output_within=1 if dtype == "u8" else 2e-6,
                )
    for size in [[5, 6], [13, 12]]:
        images = Images([1, 2, 9, 10])
        out = F.resize(tensor(images), size, interpolation=transforms.InterpolationMode.NEAREST_EXACT)
        vectors.add(
            "resize",
            f"nearest (exact), 9 x 10 to {size[0]} x {size[1]}",
            {"size": size, "interpolation": "nearest"},
            {},
            images,
            out.numpy(),
        )


def resized_crops(vectors):
    for dtype, (top, left, height, width) in [("u8", (1, 2, 7, 6)), ("f32", (0, 3, 9, 5))]:
        images = Images([1, 2, 9, 10], dtype)
        out = F.resized_crop(tensor(images), top, left, height, width, [5, 5], antialias=True)
        vectors.add(
            "resized_crop",
            f"{dtype}, {height} x {width} at {top}, {left} to 5 x 5",
            {"size": [5, 5]},
            {"top": [top], "left": [left], "bottom": [top + height], "right": [left + width]},
            images,
            out.numpy(),
            output_within=1 if dtype == "u8" else 2e-6,
        )


def normalize(vectors):
    """torchvision divides by 255, subtracts the mean and divides by the deviation; ours is one multiplication and one addition."""
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    images = Images([1, 3, 5, 6])
    out = F.normalize(F.to_dtype(tensor(images), torch.float32, scale=True), mean, std)
    vectors.add("normalize", "bytes, ImageNet", {"mean": mean, "std": std}, {}, images, out.numpy(), output_within=2e-6)


def mapped(vectors, what, interpolation, images, out, angle, translate=(0, 0), scale=1.0, shear=(0.0, 0.0), defect=None):
    """Adds a case of our `affine`, which draws torchvision's map from the output to the image, about its center; zeros outside."""
    matrix = _get_inverse_affine_matrix([0.0, 0.0], angle, list(translate), scale, list(shear))
    translated = {"translate": [0.25, 0.25]} if any(translate) else {}
    config = {"degrees": [angle] * 2, "scale": [scale] * 2, "shear": [shear[0], shear[0], shear[1], shear[1]]}
    vectors.add(
        "affine",
        what,
        {"compat": "torchvision"} | config | translated | {"interpolation": interpolation},
        {column: [value] for column, value in zip(("xx", "xy", "x0", "yx", "yy", "y0"), matrix)},
        images,
        out.numpy(),
        drawn={"translate": list(translate)},
        output_within=2e-5 if images.dtype == "f32" else 0.0,
        defect=defect,
        differs=["output"] if defect else [],
    )


def affine(vectors):
    """Angles in degrees, clockwise; those of `rotate` are counterclockwise, and not 30, where the middle row and column lie between pixels."""
    for interpolation in ["nearest", "bilinear"]:
        mode = transforms.InterpolationMode(interpolation)
        for angle, shift, scale, shear in [(30.0, [0, 0], 1.0, [0.0, 0.0]), (-10.0, [2, -1], 1.25, [12.0, 0.0])]:
            images = Images([1, 1, 9, 10], "f32")
            out = F.affine(tensor(images), angle, shift, scale, shear, interpolation=mode)
            what = f"{interpolation}, angle {angle}, translate {shift} (x, y), scale {scale}, shear {shear} (x, y)"
            mapped(vectors, what, interpolation, images, out, angle, shift, scale, shear)
    images = Images([1, 1, 9, 10], "f32")
    out = F.affine(tensor(images), 30.0, [0, 0], 1.0, [0.0, 0.0], interpolation=mode, fill=[0.0])
    defect = (
        "given a fill, which `RandomAffine` always does, torchvision mixes it in twice at the border: what is part zeros already is weighed with the "
        "fill by the same share once more"
    )
    mapped(vectors, "bilinear, angle 30.0, with a fill", "bilinear", images, out, 30.0, defect=defect)
    for angle in [25.0, 90.0]:
        images = Images([1, 1, 9, 9])
        out = F.rotate(tensor(images), angle, interpolation=transforms.InterpolationMode.NEAREST)
        mapped(vectors, f"rotate, nearest, {angle} degrees counterclockwise", "nearest", images, out, -angle)


def colors(vectors):
    """Functions of values with their amount; `parameters` are the arguments of torchvision."""
    for name, amount, call in [
        ("posterize", {"bits": 3}, F.posterize),
        ("solarize", {"threshold": 128}, F.solarize),
        ("invert", {}, F.invert),
        ("autocontrast", {}, F.autocontrast),
        ("equalize", {}, F.equalize),
        ("grayscale", {}, F.rgb_to_grayscale),
        ("brightness", {"brightness_factor": 1.4}, F.adjust_brightness),
        ("contrast", {"contrast_factor": 0.6}, F.adjust_contrast),
        ("saturation", {"saturation_factor": 1.5}, F.adjust_saturation),
        ("hue", {"hue_factor": 0.2}, F.adjust_hue),
        ("sharpness", {"sharpness_factor": 1.8}, F.adjust_sharpness),
    ]:
        images = Images([1, 3, 5, 6])
        options = {"num_output_channels": 3} if name == "grayscale" else {}
        vectors.add(
            name,
            f"bytes, {amount}" if amount else "bytes",
            {},
            amount,
            images,
            call(tensor(images), **amount, **options).numpy(),
            output_within=1,
        )
    images = Images([1, 1, 7, 9], "f32")
    out = F.gaussian_blur(tensor(images), [5, 5], [1.2, 1.2])
    vectors.add(
        "gaussian_blur",
        "kernel 5 x 5, sigma 1.2, mirrored at the border",
        {"kernel": 5},
        {"sigma": [1.2]},
        images,
        out.numpy(),
        output_within=1e-6,
    )


def main():
    torch.set_num_threads(1)
    vectors = Vectors("torchvision", "0.29.2", "run", "torchvision.transforms.v2 and its functional")
    for add in (
        cutmix,
        mixup,
        soft_labels,
        random_erasing,
        no_room,
        erased_sides,
        flips,
        crops,
        resizes,
        resized_crops,
        normalize,
        affine,
        colors,
    ):
        add(vectors)
    vectors.write()


main()
