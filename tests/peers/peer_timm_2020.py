"""timm 0.3.4 of January 2021, run: timm.data.mixup alone, since the rest of that version does not load beside a torch of today.

Its mixing is byte for byte that of 0.3.2 (October 2020) and 0.4.5.
"""

import importlib.util
import pathlib
import sys

import numpy as np

import timm_cases
from cases import Images, Labels, Vectors
from draws import MAP, box_columns, same

ENVIRONMENT = "torch"
PACKAGES = ["torch==2.15.0", "numpy==2.4.6"]
ALONE = ["timm==0.3.4"]


def load():
    """The module without its package; numpy of then had the name `bool`, and labels went to a GPU unless told."""
    path = next(
        pathlib.Path(folder) / "timm/data/mixup.py"
        for folder in sys.path
        if (pathlib.Path(folder) / "timm/data/mixup.py").exists()
    )
    spec = importlib.util.spec_from_file_location("timm_data_mixup", path)
    module = importlib.util.module_from_spec(spec)
    np.bool = bool
    spec.loader.exec_module(module)
    module.mixup_target.__defaults__ = (1.0, 0.0, "cpu")
    return module


def odd_sides(vectors, module):
    """Boxes whose sides should be 5 x 7 and 1 x 1, beside the ones that newer versions make of the same draws."""
    for lam, cy, cx, box in [(0.35, 3, 4, (1, 1, 6, 8)), (0.97, 2, 3, (2, 3, 3, 4))]:
        images, labels = Images(MAP), Labels.of(4)
        peer = timm_cases.Recorded(module, "Mixup", mixup_alpha=0.0, cutmix_alpha=1.0)
        out, mixed = peer.run(images, labels, beta=[lam], randint=[cy, cx])
        vectors.add(
            "cutmix",
            f"odd sides kept, lam {lam}, center {cy}, {cx}",
            {"compat": "timm-1.0.31", "alpha": 1.0, "mode": "batch"},
            box_columns(same(box, 4), timm_cases.FLIP),
            images,
            out,
            labels,
            mixed,
            drawn={"lam": lam, "center": [cy, cx]},
            differs=["output", "labels_out"],
            defect="c - cut // 2 to c + cut // 2 loses a pixel of an odd side, so a box of one pixel is empty; `exact_odd` keeps it",
        )


def main():
    vectors = Vectors("timm-2020", "0.3.4", "run", "timm.data.mixup.Mixup, FastCollateMixup")
    module = load()
    timm_cases.add_all(vectors, module, "timm-2020")
    odd_sides(vectors, module)
    vectors.write()


main()
