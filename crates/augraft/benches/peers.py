"""Measures reference libraries beside our operators, call by call in turn: peers.py [--rounds N] [--only CASE...] -- OUR_COMMAND

OUR_COMMAND answers `run CASE CALLS` on its standard input with nanoseconds (peers.rs). Each turn is a call that is not
counted and one that is, so that every program finds its own data as its last call left them. The table goes to standard
output, progress to standard error.
"""

import argparse
import contextlib
import gc
import importlib.metadata
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import time
import warnings

# Before the libraries are imported: they count the threads once.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "RAYON_NUM_THREADS": "1"}
warnings.filterwarnings("ignore")

import numpy as np
import torch
from kornia import augmentation as kornia
from timm.data.mixup import Mixup
from timm.data.random_erasing import RandomErasing
from torchvision.transforms import v2

SAMPLES, CLASSES, SIDE = 64, 1000, 224
PACKAGES = ["torch", "torchvision", "timm", "kornia", "numpy"]

MIXING = "Mixing and erasing"
GEOMETRY = "Geometry"
NOTES = {
    MIXING: f"""\
f32 [{SAMPLES},3,{SIDE},{SIDE}], {CLASSES} classes. A call of ours draws, changes the batch in place and mixes soft \
labels [{SAMPLES},{CLASSES}]; `random_erasing` erases a box in every sample. A call of a reference library is the transform as a \
user calls it, on the batch and, but for erasing, int64 labels [{SAMPLES}], which torchvision and timm make one-hot \
and mix; kornia returns both classes and the weight instead. timm works in place, the others return new tensors. \
Every transform always acts (`p` is 1), and each call draws other boxes; where there is one for the whole batch, its \
area sways the time.""",
    GEOMETRY: f"""\
u8, {SAMPLES} images to 3x{SIDE}x{SIDE} each; times are for all {SAMPLES}. A call of ours draws and changes the \
batch. A call of the library is a loop that calls the transform on each image, a tensor of its own; where ours makes \
another batch than it gets (the crops), "stacked" puts what it made into a batch with `torch.stack`, as a data \
loader does, and "calls alone" does not. `dense` is N,C,H,W with sides of {SIDE} or 256, for the library contiguous \
C,H,W; `decoded` is H,W,C of 375x500 as a decoder leaves it, for ours a ragged batch and for the library C,H,W views of \
it. `random_crop` of torchvision alone gives views and copies no pixel. `RandomAffine` draws up to 15 degrees, a \
tenth of the sides, a scale of 0.9 to 1.1 and a shear of up to 10 degrees.""",
}


class Group:
    """Reference libraries that do what one of our cases does."""

    def __init__(self, section, case, ours, memcpy, peers):
        self.section, self.case, self.ours, self.memcpy, self.peers = section, case, ours, memcpy, peers


class Peer:
    """A call to measure. `make` prepares it when its group begins; `wanted` is the least ratio to ours that we want."""

    def __init__(self, library, what, wanted, make):
        self.library, self.what, self.wanted, self.make = library, what, wanted, make


def floats():
    return torch.rand(SAMPLES, 3, SIDE, SIDE)


def labels():
    return torch.arange(SAMPLES) * 7 % CLASSES


def contiguous(side):
    return [torch.randint(0, 256, (3, side, side), dtype=torch.uint8) for _ in range(SAMPLES)]


def decoded():
    arrays = (np.random.randint(0, 256, (375, 500, 3), np.uint8) for _ in range(SAMPLES))
    return [torch.from_numpy(array).permute(2, 0, 1) for array in arrays]


def labeled(transform):
    """The transform on a batch and its labels."""

    def make():
        images, classes = floats(), labels()
        return lambda: transform(images, classes)

    return make


def alone(transform):
    """The transform on a batch without labels."""

    def make():
        images = floats()
        return lambda: transform(images)

    return make


def each(transform, images, stacked=False):
    """The transform on image after image."""

    def make():
        batch = images()
        if stacked:
            return lambda: torch.stack([transform(image) for image in batch])
        return lambda: [transform(image) for image in batch]

    return make


def timm(mode, **alphas):
    return labeled(Mixup(**alphas, prob=1.0, mode=mode, label_smoothing=0.0, num_classes=CLASSES))


def groups():
    cutmix, mixup = {"mixup_alpha": 0.0, "cutmix_alpha": 1.0}, {"mixup_alpha": 1.0, "cutmix_alpha": 0.0}
    keys, share = ["input", "class"], {"scale": (0.02, 0.33), "ratio": (0.3, 3.3)}
    erasing = v2.RandomErasing(p=1.0, **share)

    def affine(mode):
        moves = {"degrees": 15, "translate": (0.1, 0.1), "scale": (0.9, 1.1), "shear": 10}
        return each(v2.RandomAffine(**moves, interpolation=mode), lambda: contiguous(SIDE))

    sides = {"dense": lambda: contiguous(256), "decoded": decoded}

    def mixing(case, ours, *peers):
        return Group(MIXING, case, ours, "memcpy-f32", [Peer(*peer) for peer in peers])

    def geometry(case, ours, *peers):
        return Group(GEOMETRY, case, ours, "memcpy-u8", [Peer("torchvision", *peer) for peer in peers])

    def crops(case, transform, name, wanted_alone):
        for layout, images in sides.items():
            yield geometry(
                f"{case}-{layout}",
                f"`{case}: {{ size: {SIDE} }}`, {layout}",
                (f"`{name}({SIDE})`, stacked", 3, each(transform, images, stacked=True)),
                (f"`{name}({SIDE})`, calls alone", wanted_alone, each(transform, images)),
            )

    return [
        mixing(
            "cutmix-batch",
            "`cutmix: { mode: batch }`",
            ("torchvision", "`CutMix`", 8, labeled(v2.CutMix(num_classes=CLASSES))),
            ("timm", '`Mixup`, CutMix alone, `mode="batch"`', 4, timm("batch", **cutmix)),
        ),
        mixing(
            "cutmix-elem",
            "`cutmix: { mode: elem }`",
            ("timm", '`Mixup`, CutMix alone, `mode="elem"`', 4, timm("elem", **cutmix)),
            ("kornia", "`RandomCutMixV2`", 8, labeled(kornia.RandomCutMixV2(p=1.0, data_keys=keys))),
        ),
        mixing(
            "mixup-batch",
            "`mixup: { mode: batch }`",
            ("torchvision", "`MixUp`", 8, labeled(v2.MixUp(num_classes=CLASSES))),
            ("timm", '`Mixup`, Mixup alone, `mode="batch"`', 4, timm("batch", **mixup)),
        ),
        mixing(
            "mixup-elem",
            "`mixup: { mode: elem }`",
            ("timm", '`Mixup`, Mixup alone, `mode="elem"`', 4, timm("elem", **mixup)),
            ("kornia", "`RandomMixUpV2`", 8, labeled(kornia.RandomMixUpV2(p=1.0, data_keys=keys))),
        ),
        mixing(
            "random_erasing",
            "`random_erasing: { p: 1 }`",
            ("torchvision", "`RandomErasing` on the batch, one box for all", 8, alone(erasing)),
            (
                "torchvision",
                "`RandomErasing` on each image",
                8,
                alone(lambda images: [erasing(image) for image in images]),
            ),
            (
                "torchvision",
                "`RandomErasing(inplace=True)` on the batch, one box for all",
                None,
                alone(v2.RandomErasing(p=1.0, inplace=True, **share)),
            ),
            ("timm", "`RandomErasing`", 4, alone(RandomErasing(probability=1.0, device="cpu"))),
            ("kornia", "`RandomErasing`", 8, alone(kornia.RandomErasing(p=1.0, **share))),
        ),
        geometry(
            "horizontal_flip",
            "`horizontal_flip: { p: 1 }`",
            ("`RandomHorizontalFlip(1)`", 3, each(v2.RandomHorizontalFlip(p=1.0), lambda: contiguous(SIDE))),
        ),
        *crops("random_crop", v2.RandomCrop(SIDE), "RandomCrop", None),
        *crops("resized_crop", v2.RandomResizedCrop(SIDE), "RandomResizedCrop", 3),
        geometry(
            "affine-bilinear",
            "`affine`, bilinear, the same ranges",
            ("`RandomAffine(15, ...)`, bilinear", 3, affine(v2.InterpolationMode.BILINEAR)),
        ),
        geometry(
            "affine-nearest",
            "`affine`, nearest, the same ranges",
            ("`RandomAffine(15, ...)`, nearest, its default", 3, affine(v2.InterpolationMode.NEAREST)),
        ),
    ]


class Skipped(Exception):
    """A case that our program cannot run."""


class Ours:
    """The program that measures our operators."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def turn(self, case):
        """The nanoseconds of a call."""
        self.process.stdin.write(f"run {case} 2\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            sys.exit(f"error: {case}: our program gave no answer; its message is above")
        if answer.startswith("skip "):
            raise Skipped(answer.removeprefix("skip "))
        return int(answer.split()[-1])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def turn(call):
    call()
    start = time.perf_counter_ns()
    result = call()
    taken = time.perf_counter_ns() - start
    del result
    return taken


def measure(group, ours, copies, rounds):
    """The lines of a group."""
    ours.turn(group.case)
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(1)
    calls = [peer.make() for peer in group.peers]
    times = [[] for _ in range(2 + len(calls))]
    for _ in range(rounds):
        for program, case, column in [(ours, group.case, times[0]), (copies, group.memcpy, times[1])]:
            column.append(program.turn(case))
        for call, column in zip(calls, times[2:]):
            column.append(turn(call))
    own, copy, *others = [statistics.median(column) / 1e6 for column in times]
    lines = []
    for peer, other in zip(group.peers, others):
        wanted = "-" if peer.wanted is None else f"{peer.wanted}{'' if other >= peer.wanted * own else ', missed'}"
        numbers = [f"{own:.2f}", f"{other:.2f}", f"{other / own:.1f}", wanted, f"{copy:.2f}"]
        lines.append(f"| {' | '.join([group.ours, peer.library, peer.what, *numbers])} |")
    return "\n".join(lines)


def processor():
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(": ")[2]
    return platform.processor() or platform.machine()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--only", nargs="+", action="extend", default=[], metavar="CASE")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    torch.set_num_threads(1)
    # A collection would fall into whatever is measured then.
    gc.disable()
    chosen = [group for group in groups() if not args.only or group.case in args.only]
    if not chosen:
        sys.exit(f"error: there are the cases {', '.join(group.case for group in groups())}")
    # Two of our programs, since one holds the data of one case.
    ours, copies = Ours(args.command), Ours(args.command)
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    print(f"{processor()}, one thread; Python {platform.python_version()}, {', '.join(versions)}.")
    kernels = torch.backends.cpu.get_cpu_capability()
    print(f"torch chooses its kernels for {kernels} when it runs; augraft is compiled for any {platform.machine()}.")
    print(f"Milliseconds, medians of {args.rounds} rounds in which ours, memcpy and the libraries take turns.")
    print("The ratio is the library's time to ours.")
    section, skipped = None, []
    for group in chosen:
        print(f"{group.case} ...", file=sys.stderr, flush=True)
        try:
            lines = measure(group, ours, copies, args.rounds)
        except Skipped as reason:
            skipped.append(f"- `{group.case}`: {reason}")
            continue
        if group.section != section:
            section = group.section
            print(f"\n## {section}\n\n{NOTES[section]}\n")
            print("| augraft | library | what of it | augraft, ms | library, ms | ratio | wanted | memcpy of as much, ms |")
            print("|---|---|---|--:|--:|--:|--:|--:|")
        print(lines, flush=True)
        gc.collect()
    for program in (ours, copies):
        program.close()
    if skipped:
        print("\nSkipped:\n\n" + "\n".join(skipped))


main()
