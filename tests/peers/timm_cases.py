"""The cases of timm's mixing, for two of its versions; `module` is timm.data.mixup."""

import numpy as np
import torch

from cases import CLASSES, Images, Labels
from draws import BOXES, MAP, box_columns, same, scripted

FLIP = [3, 2, 1, 0]
SMALL = [4, 1, 5, 6]


class Recorded:
    """A mixer of timm that runs on given draws, and the boxes and label weights that it made of them."""

    def __init__(self, module, kind, **options):
        self.module = module
        self.mixer = getattr(module, kind)(num_classes=CLASSES, **({"label_smoothing": 0.0} | options))
        self.boxes = []

    def run(self, images, labels, **draws):
        made = self.module.cutmix_bbox_and_lam

        def recorded(*arguments, **options):
            (top, bottom, left, right), lam = made(*arguments, **options)
            self.boxes.append(((top, left, bottom, right), float(lam)))
            return (top, bottom, left, right), lam

        self.module.cutmix_bbox_and_lam = recorded
        try:
            with scripted(np.random, **draws):
                if type(self.mixer).__name__ == "FastCollateMixup":
                    samples = list(zip(images.values.copy(), labels.index))
                    out, mixed = self.mixer(samples)
                else:
                    target = torch.tensor(labels.rows if labels.index is None else labels.index)
                    out, mixed = self.mixer(torch.from_numpy(images.values.copy()), target)
        finally:
            self.module.cutmix_bbox_and_lam = made
        return out.numpy(), mixed.numpy()


def batch_cutmix(vectors, module, compat):
    for lam, cy, cx in BOXES:
        for correct in [True, False] if lam == 0.3 else [True]:
            images, labels = Images(MAP), Labels.of(4)
            peer = Recorded(module, "Mixup", mixup_alpha=0.0, cutmix_alpha=1.0, correct_lam=correct)
            out, mixed = peer.run(images, labels, beta=[lam], randint=[cy, cx])
            box, weight = peer.boxes[0]
            parameters = box_columns(same(box, 4), FLIP) | ({} if correct else {"lam": same(weight, 4)})
            config = {"compat": compat, "alpha": 1.0, "mode": "batch"} | ({} if correct else {"lam": "nominal"})
            vectors.add(
                "cutmix",
                f"batch, lam {lam}, center {cy}, {cx}{'' if correct else ', label weight not corrected'}",
                config,
                parameters,
                images,
                out,
                labels,
                mixed,
                drawn={"lam": lam, "center": [cy, cx]},
            )


def per_sample_cutmix(vectors, module, compat):
    """A box for each pair, sample, or kept sample of the first half; the last one of `elem` is not mixed since its gate says no."""
    centers = [(4, 5), (0, 4), (3, 2), (3, 3)]
    lams = [0.5, 0.3, 0.75, 0.6]
    for kind, mode, count, dtype in [
        ("Mixup", "pair", 2, "f32"),
        ("Mixup", "elem", 4, "f32"),
        ("Mixup", "elem", 4, "u8"),
        ("FastCollateMixup", "pair", 2, "u8"),
        ("FastCollateMixup", "elem", 4, "u8"),
        ("FastCollateMixup", "half", 2, "u8"),
    ]:
        images, labels = Images(MAP if dtype == "u8" else SMALL, dtype), Labels.of(4)
        peer = Recorded(module, kind, mixup_alpha=0.0, cutmix_alpha=1.0, mode=mode, prob=0.5)
        gates = [0.4, 0.1, 0.2, 0.9][:count]
        act = [gate < 0.5 for gate in gates]
        centered = [value for center, on in zip(centers, act) if on for value in center]
        out, mixed = peer.run(images, labels, beta=[np.array(lams[:count])], rand=[np.array(gates)], randint=centered)
        boxes = iter(peer.boxes)
        drawn = [next(boxes)[0] if on else (0, 0, 0, 0) for on in act]
        # A pair shares its box; the second half of `half` is not returned, and its columns do not matter.
        rest = drawn[::-1] if mode == "pair" else same((0, 0, 0, 0), 4 - count)
        parameters = box_columns(drawn + rest, FLIP)
        parameters["apply"] = act + (act[::-1] if mode == "pair" else same(False, 4 - count))
        truncated = kind == "Mixup" and dtype == "u8"
        defect = (
            "timm stores the label weights in the type of the images, so for bytes every weight below 1 becomes 0"
            if truncated
            else None
        )
        vectors.add(
            "cutmix",
            f"{mode} by {kind}, {'bytes' if dtype == 'u8' else 'floats'}",
            {"compat": compat, "alpha": 1.0, "mode": mode, "p": 0.5},
            parameters,
            images,
            out,
            labels,
            mixed,
            defect=defect,
            differs=["labels_out"] if defect else [],
            drawn={"lam": lams[:count], "center": [list(center) for center in centers[:count]], "apply": act},
        )


def minmax_cutmix(vectors, module, compat):
    """Sides and corner as drawn; the last corner is the largest that the version can draw."""
    inclusive = compat != "timm-2020"
    for cut, corner in [((3, 5), (2, 1)), ((4, 6), (3 if inclusive else 2, 3 if inclusive else 2))]:
        images, labels = Images(MAP), Labels.of(4)
        peer = Recorded(module, "Mixup", mixup_alpha=0.0, cutmix_minmax=[0.3, 0.85])
        out, mixed = peer.run(images, labels, beta=[0.5], randint=[*cut, *corner])
        vectors.add(
            "cutmix",
            f"minmax, sides {cut[0]} x {cut[1]} at {corner[0]}, {corner[1]}",
            {"compat": compat, "mode": "batch", "size": {"minmax": [0.3, 0.85]}},
            box_columns(same(peer.boxes[0][0], 4), FLIP),
            images,
            out,
            labels,
            mixed,
            drawn={"sides": list(cut), "corner": list(corner)},
        )


def float_mixup(vectors, module, compat):
    for mode, lams in [("batch", [0.3]), ("pair", [0.3, 0.85]), ("elem", [0.3, 0.85, 1.0, 0.0])]:
        images, labels = Images(SMALL, "f32"), Labels.of(4)
        peer = Recorded(module, "Mixup", mixup_alpha=0.8, mode=mode)
        out, mixed = peer.run(images, labels, beta=lams if mode == "batch" else [np.array(lams)])
        lam = lams * 4 if mode == "batch" else lams + lams[::-1] if mode == "pair" else lams
        vectors.add(
            "mixup",
            f"{mode}, floats",
            {"compat": compat, "alpha": 0.8, "mode": mode},
            {"apply": same(True, 4), "lam": lam, "partner": FLIP},
            images,
            out,
            labels,
            mixed,
            drawn={"lam": lams},
            output_within=1e-6,
        )


def byte_mixup(vectors, module, compat):
    """The collate path rounds bytes to the nearest level, halves to even."""
    for mode, lams in [("batch", [0.5]), ("pair", [0.3, 0.85]), ("elem", [0.3, 0.85, 1.0, 0.5]), ("half", [0.5, 0.85])]:
        images, labels = Images(SMALL), Labels.of(4)
        peer = Recorded(module, "FastCollateMixup", mixup_alpha=0.8, mode=mode)
        out, mixed = peer.run(images, labels, beta=lams if mode == "batch" else [np.array(lams)])
        lam = lams * 4 if mode == "batch" else lams + (lams[::-1] if mode == "pair" else same(1.0, 4 - len(lams)))
        vectors.add(
            "mixup",
            f"{mode} by FastCollateMixup, bytes",
            {"compat": compat, "alpha": 0.8, "mode": mode},
            {"apply": same(True, 4), "lam": lam, "partner": FLIP},
            images,
            out,
            labels,
            mixed,
            drawn={"lam": lams},
        )


def smoothed_labels(vectors, module, compat):
    """Smoothing comes before mixing."""
    images, labels = Images(MAP), Labels.of(4)
    peer = Recorded(module, "Mixup", mixup_alpha=0.0, cutmix_alpha=1.0, label_smoothing=0.1)
    out, mixed = peer.run(images, labels, beta=[0.5], randint=[3, 4])
    vectors.add(
        "cutmix",
        "batch, label smoothing 0.1",
        {"compat": compat, "alpha": 1.0, "mode": "batch"},
        box_columns(same(peer.boxes[0][0], 4), FLIP),
        images,
        out,
        labels,
        mixed,
        drawn={"lam": 0.5, "center": [3, 4]},
        before={"label_smoothing": {"smoothing": 0.1}},
    )
    images = Images(SMALL, "f32")
    peer = Recorded(module, "Mixup", mixup_alpha=0.8, label_smoothing=0.1)
    out, mixed = peer.run(images, labels, beta=[0.3])
    vectors.add(
        "mixup",
        "batch, label smoothing 0.1",
        {"compat": compat, "alpha": 0.8, "mode": "batch"},
        {"apply": same(True, 4), "lam": same(0.3, 4), "partner": FLIP},
        images,
        out,
        labels,
        mixed,
        drawn={"lam": 0.3},
        output_within=1e-6,
        before={"label_smoothing": {"smoothing": 0.1}},
    )


def add_all(vectors, module, compat):
    torch.set_num_threads(1)
    for cases in (batch_cutmix, per_sample_cutmix, minmax_cutmix, float_mixup, byte_mixup, smoothed_labels):
        cases(vectors, module, compat)
