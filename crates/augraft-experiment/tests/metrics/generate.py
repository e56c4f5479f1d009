"""Writes vectors.json, the reference values of the metrics, with the libraries whose conventions they follow:

    pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1 statsmodels==0.15.0 pandas==3.1.1 torch==2.15.0 \
        torchmetrics==1.9.0 opencv-python-headless==5.0.0.93 && python generate.py

Inputs are short decimals or multiples of powers of two, so that every reader gets the same numbers from the file. Where
no library has the metric, the reference is its definition, written out in numpy and not in the way of the crate.
"""

import itertools
import json
import pathlib
from importlib.metadata import version

import cv2
import numpy as np
import pandas
import scipy.ndimage
import scipy.optimize
import scipy.special
import scipy.stats
import sklearn.calibration
import sklearn.metrics
import sklearn.preprocessing
import torch
import torchmetrics.functional.classification as torchmetrics
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

PACKAGES = [
    "numpy",
    "scipy",
    "scikit-learn",
    "statsmodels",
    "pandas",
    "torch",
    "torchmetrics",
    "opencv-python-headless",
]
VECTORS = pathlib.Path(__file__).parent / "vectors.json"


def floats(values):
    return np.asarray(values, dtype=np.float64).tolist()


def softmax_cases(rng):
    """Scores of one sample: scipy, and scikit-learn for the Brier score and for labels of one class."""
    logits = [np.round(rng.normal(0, spread, size) * 64) / 64 for size, spread in [(2, 1), (3, 30), (10, 2), (100, 4)]]
    logits += [np.array([0.0, 0.0, 0.0, 0.0]), np.array([1.5, 2.25, 2.25, -3.0, 2.25])]
    logits += [np.array([700.0, -700.0, 0.5]), np.array([-20000.0, -20001.0]), np.array([4.0])]
    for values in logits:
        classes = len(values)
        order = rng.permutation(classes)
        labels = [[(int(order[0]), 1.0)]]
        if classes > 1:
            labels.append([(int(order[0]), 0.75), (int(order[1]), 0.25)])
            labels.append([(int(order[0]), 0.5), (int(order[1]), 0.375), (int(order[0]), 0.125)])
        probabilities = scipy.special.softmax(values)
        logarithms = scipy.special.log_softmax(values)
        targets = []
        for label in labels:
            dense = np.zeros(classes)
            for k, weight in label:
                dense[k] += weight
            target = {
                "label": label,
                "cross_entropy": float(-np.sum(dense * logarithms)),
                "brier": float(np.sum((probabilities - dense) ** 2)),
                "kl": float(np.sum(scipy.special.xlogy(dense, dense) - dense * logarithms)),
            }
            if len(label) == 1 and classes > 1 and probabilities[label[0][0]] > 1e-9:
                known = {"y_true": [label[0][0]], "labels": list(range(classes))}
                if classes > 2:
                    target["brier"] = sklearn.metrics.brier_score_loss(
                        known["y_true"], probabilities[None], labels=known["labels"], scale_by_half=False
                    )
                target["cross_entropy"] = sklearn.metrics.log_loss(
                    known["y_true"], probabilities[None], labels=known["labels"]
                )
            if np.all(probabilities > 0):
                target["kl"] = float(scipy.stats.entropy(dense, probabilities))
            targets.append(target)
        ranks = np.empty(classes, dtype=int)
        ranks[np.argsort(-values, kind="stable")] = np.arange(classes)
        yield {
            "logits": floats(values),
            "softmax": floats(probabilities),
            "entropy": float(scipy.stats.entropy(probabilities)),
            "energy": float(scipy.special.logsumexp(values)),
            "rank": ranks.tolist(),
            "targets": targets,
        }


def wilson_cases():
    for successes, n in [(0, 1), (1, 1), (0, 50), (50, 50), (7, 20), (2.5, 4), (9123.25, 10000), (1, 1000000)]:
        yield {"successes": successes, "n": n, "interval": floats(proportion_confint(successes, n, method="wilson"))}


def mcnemar_cases():
    pairs = [(0, 0), (1, 0), (5, 5), (2, 9), (12, 12), (0, 24), (24, 0)]
    pairs += [(12, 13), (17, 8), (13, 13), (3, 40), (510, 433), (0, 90)]
    for b, c in pairs:
        result = mcnemar([[0, b], [c, 0]], exact=b + c < 25, correction=True)
        yield {"b": b, "c": c, "p_value": float(result.pvalue)}


def holm_cases(rng):
    families = [[0.04], [0.01, 0.04, 0.03], [0.5, 0.5, 0.001, 0.5], [1.0, 0.0, 0.0]]
    for values in [*families, np.round(rng.random(20) ** 4, 5)]:
        yield {"p_values": floats(values), "adjusted": floats(multipletests(values, method="holm")[1])}


def mean_cases(rng):
    for values in [[1.0, 2.0], [3.25] * 5, np.round(rng.normal(70, 3, 40), 3)]:
        yield {"values": floats(values), "interval": floats(DescrStatsW(values).zconfint_mean(alpha=0.05))}


def philox(counter, key):
    """Philox4x32-10 (Salmon et al., SC 2011)."""
    a, b, c, d = counter
    for step in range(10):
        keys = [(k + step * weyl) % 2**32 for k, weyl in zip(key, [0x9E3779B9, 0xBB67AE85])]
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = second >> 32 ^ b ^ keys[0], second % 2**32, first >> 32 ^ d ^ keys[1], first % 2**32
    return a, b, c, d


def bootstrap_cases(rng):
    for size, replicates, seed in [(1, 3, 0), (7, 41, 5), (60, 100, 2**40 + 9)]:
        values = np.round(rng.normal(0, 1, size), 3)
        means = []
        for replicate in range(replicates):
            words = [philox((i, 0, replicate, 0), (seed % 2**32, seed >> 32)) for i in range(size)]
            means.append(np.mean([values[size * (low + (high << 32)) >> 64] for low, high, _, _ in words]))
        yield {
            "values": floats(values),
            "replicates": replicates,
            "seed": seed,
            "interval": floats(np.percentile(means, [2.5, 97.5])),
        }


def calibration_case(confidence, credit, bins):
    """pandas puts confidences on an edge in the bin below it, and 0 in the first, as the crate does."""
    places = pandas.cut(confidence, np.arange(bins + 1) / bins, labels=False, include_lowest=True)
    table = pandas.DataFrame({"bin": places, "confidence": confidence, "credit": credit}).groupby("bin")
    means = table.mean()
    gaps = (means["confidence"] - means["credit"]).abs()
    counts = table.size()
    return {
        "confidence": floats(confidence),
        "credit": floats(credit),
        "bins": [
            {"bin": int(k), "n": int(counts[k]), "confidence": means["confidence"][k], "accuracy": means["credit"][k]}
            for k in counts.index
        ],
        "of": bins,
        "ece": float((gaps * counts).sum() / counts.sum()),
        "mce": float(gaps.max()),
    }


def calibration_cases(rng):
    """Adds the error by torchmetrics where no confidence is on an edge, where its bins are others."""
    probabilities = scipy.special.softmax(rng.normal(0, 2, (200, 5)), axis=1)
    targets = np.where(rng.random(200) < 0.7, probabilities.argmax(1), rng.integers(0, 5, 200))
    confidence = np.round(probabilities.max(1), 5)
    case = calibration_case(confidence, probabilities.argmax(1) == targets, 15)
    for name, norm in [("torchmetrics_ece", "l1"), ("torchmetrics_mce", "max")]:
        case[name] = torchmetrics.multiclass_calibration_error(
            torch.tensor(probabilities), torch.tensor(targets), 5, n_bins=15, norm=norm
        ).item()
    yield case
    for size, power in [(1, 1), (40, 1), (150, 0.2)]:
        # Odd multiples of 1/8192 are on no edge of 15 bins.
        confidence = (2 * np.floor(rng.random(size) ** power * 4096) + 1) / 8192
        credit = rng.random(size) < confidence
        case = calibration_case(confidence, credit, 15)
        for name, norm in [("torchmetrics_ece", "l1"), ("torchmetrics_mce", "max")]:
            case[name] = torchmetrics.binary_calibration_error(
                torch.tensor(confidence), torch.tensor(credit).int(), n_bins=15, norm=norm
            ).item()
        yield case
    edges = np.array([0.0, 0.125, 0.25, 0.25, 0.375, 0.5, 0.75, 0.875, 1.0, 1.0, 1.0])
    case = calibration_case(edges, np.array([0, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1]), 8)
    accuracy, mean = sklearn.calibration.calibration_curve(
        case["credit"], case["confidence"], n_bins=8, strategy="uniform"
    )
    assert np.allclose([b["accuracy"] for b in case["bins"]], accuracy)
    assert np.allclose([b["confidence"] for b in case["bins"]], mean)
    yield case
    yield calibration_case(np.ones(6), np.array([1, 1, 0, 1, 0.75, 0.25]), 15)
    yield calibration_case(np.zeros(3), np.array([0, 0, 1]), 15)
    yield calibration_case(np.round(rng.random(30), 5), np.round(rng.random(30), 2), 10)


def delong(positive, negative):
    """Variance of the AUROC from the whole matrix of comparisons."""
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return wins.mean(1).var(ddof=1) / len(positive) + wins.mean(0).var(ddof=1) / len(negative)


def detection_cases(rng):
    def normal(mean, size, digits):
        return np.round(rng.normal(mean, 1, size), digits)

    pairs = [
        (normal(1, 30, 3), normal(0, 25, 3)),
        (normal(1, 40, 0), normal(0, 60, 0)),
        (normal(0.5, 300, 1), normal(0, 150, 1)),
        (normal(2, 5, 3), normal(0, 400, 3)),
        (normal(-1, 50, 2), normal(1, 50, 2)),
        (np.full(7, 0.5), np.full(9, 0.5)),
        (np.arange(10, 30) / 4, np.arange(0, 10) / 4),
        (np.arange(0, 10) / 4, np.arange(10, 30) / 4),
        (np.array([1e300, 5e299, -1e300]), np.array([-1e300, 0.0, 1e-300])),
        (np.arange(1, 21) * 1.0, np.array([1.0, 1.5, 2.0, 2.5, 19.5])),
        (np.array([1.0]), np.array([0.0])),
        (np.array([0.0, 1.0]), np.array([1.0, 1.0])),
        (np.zeros(40), np.concatenate([np.zeros(30), np.ones(10)])),
    ]
    for positive, negative in pairs:
        truth = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
        scores = np.concatenate([positive, negative])
        fpr, tpr, thresholds = sklearn.metrics.roc_curve(truth, scores, drop_intermediate=False)
        case = {
            "positive": floats(positive),
            "negative": floats(negative),
            "auroc": float(sklearn.metrics.roc_auc_score(truth, scores)),
            "aupr": float(sklearn.metrics.average_precision_score(truth, scores)),
            "fpr95": float(fpr[tpr >= 0.95].min()),
            "detection_accuracy": float(((tpr + 1 - fpr) / 2).max()),
        }
        if len(scores) < 120:
            # JSON has no infinity, the first threshold of every curve.
            assert np.isinf(thresholds[0])
            case["roc"] = {"fpr": floats(fpr), "tpr": floats(tpr), "threshold": floats(thresholds[1:])}
        if min(len(positive), len(negative)) > 1:
            variance = delong(positive, negative)
            z = scipy.stats.norm.ppf(0.975)
            interval = case["auroc"] + z * np.sqrt(variance) * np.array([-1, 1])
            case |= {"variance": float(variance), "interval": floats(np.clip(interval, 0, 1))}
        yield case


def resize_cases(rng):
    """OpenCV, which PyTorch agrees with; large results by some of their elements."""
    shapes = [((7, 7), (20, 17)), ((4, 5), (3, 2)), ((1, 1), (3, 2)), ((2, 9), (9, 2)), ((3, 1), (7, 4))]
    shapes += [((7, 7), (224, 224)), ((14, 14), (224, 200)), ((8, 8), (32, 32)), ((40, 30), (7, 9))]
    for source, target in shapes:
        values = (np.round(rng.normal(0, 1, source) * 256) / 256).astype(np.float32)
        resized = cv2.resize(values, target[::-1], interpolation=cv2.INTER_CUBIC)
        peer = torch.nn.functional.interpolate(
            torch.tensor(values)[None, None], target, mode="bicubic", align_corners=False
        )[0, 0].numpy()
        assert np.abs(resized - peer).max() < 1e-5, (source, target, np.abs(resized - peer).max())
        places = list(itertools.product(range(target[0]), range(target[1])))
        if len(places) > 100:
            corners = [(0, 0), (0, target[1] - 1), (target[0] - 1, 0), (target[0] - 1, target[1] - 1)]
            places = corners + [places[i] for i in rng.choice(len(places), 80, replace=False)]
        yield {
            "map": values.astype(float).tolist(),
            "size": target,
            "elements": [[i, j, float(f"{resized[i, j]:.8g}")] for i, j in places],
        }


def rows(mask):
    return ["".join(".#"[int(value)] for value in row) for row in mask]


def boxes(mask):
    """`[top, left, bottom, right, area]` of the 8-connected components by scipy, which OpenCV agrees with."""
    labels, _ = scipy.ndimage.label(mask, structure=np.ones((3, 3)))
    found = [
        [a.start, b.start, a.stop, b.stop, int((labels == k + 1).sum())]
        for k, (a, b) in enumerate(scipy.ndimage.find_objects(labels))
    ]
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    assert sorted(found) == sorted([y, x, y + h, x + w, area] for x, y, w, h, area in stats[1:].tolist())
    return found


def components_cases(rng):
    masks = [rng.random((16, 24)) < density for density in [0.05, 0.2, 0.35, 0.5, 0.8]]
    spiral = ["#########", "#.......#", "#.#####.#", "#.#...#.#", "#.#.#.#.#", "#.#.###.#", "#.#.....#", "#.#######"]
    masks += [np.array([[c == "#" for c in row] for row in spiral]), np.zeros((3, 4), bool), np.ones((3, 4), bool)]
    masks += [np.indices((6, 7)).sum(0) % 2 == 0, np.arange(9)[None] % 3 != 1, np.arange(9)[:, None] % 3 != 1]
    for mask in masks:
        yield {"mask": rows(mask), "components": boxes(mask)}


def painted(box, shape):
    mask = np.zeros(shape, bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return mask


def overlap(found, truths, shape):
    """Best intersection over union, by counting elements."""
    ious = [0.0]
    for a, b in itertools.product(found, truths):
        a, b = painted(a, shape), painted(b, shape)
        ious.append(float((a & b).sum() / (a | b).sum()))
    return max(ious)


def largest(found):
    return [max(found, key=lambda box: box[4])] if found else []


def localization_cases(rng):
    shape = (16, 18)
    images, by_largest, by_any = [], [], []
    for k in range(6):
        noise = scipy.ndimage.gaussian_filter(rng.normal(0, 1, shape), 1.7)
        values = np.round(noise / np.abs(noise).max() * 256) / 256
        top, left = rng.integers(0, 8, 2).tolist()
        peak_row, peak_column = (int(v) for v in np.unravel_index(values.argmax(), shape))
        near = [max(peak_row - 2, 0), max(peak_column - 2, 0), min(peak_row + 3, 16), min(peak_column + 3, 18)]
        box = largest(boxes(values >= 0.15 * values.max()))
        if k < 3:
            near = [box[0][0], box[0][1], box[0][2] - 1, box[0][3]]
        truths = [near, [top, left, top + 6, left + 7]] if k % 2 else [near]
        scaled = sklearn.preprocessing.minmax_scale(values.ravel()).reshape(shape).astype(np.float32)
        found = [boxes(scaled.astype(float) >= step / 100) for step in range(100)]
        by_largest.append([overlap(largest(each), truths, shape) for each in found])
        by_any.append([overlap(each, truths, shape) for each in found])
        region = painted(truths[-1], shape)
        positive = np.maximum(values, 0)
        images.append(
            {
                "map": floats(values),
                "truth": truths,
                "normalized": [[i, j, float(scaled[i, j])] for i, j in rng.integers(0, 16, (12, 2)).tolist()],
                "largest_box": box[0][:4],
                "loc": overlap(box, truths, shape) > 0.5,
                "energy_share": float(positive[region].sum() / positive.sum()),
            }
        )

    def accuracy(ious, level):
        return float((np.array(ious) >= level).mean(0).max())

    return {
        "images": images,
        "largest": by_largest,
        "best": by_any,
        "max_box_acc": accuracy(by_largest, 0.5),
        "max_box_acc_v2": float(np.mean([accuracy(by_any, level) for level in [0.3, 0.5, 0.7]])),
    }


def curve_cases(rng):
    for size in [2, 5, 30]:
        x = np.cumsum(np.round(rng.random(size) + 0.01, 3))
        a, b = np.round(rng.random((2, size)), 3)
        signs = np.flatnonzero(np.sign(a - b)[1:] != np.sign(a - b)[:-1])
        crossing = None
        if len(signs):
            ends = x[signs[0]], x[signs[0] + 1]
            crossing = scipy.optimize.brentq(lambda at: np.interp(at, x, a) - np.interp(at, x, b), *ends, xtol=1e-14)
        lam = np.round(rng.random(size), 3)
        yield {
            "x": floats(x),
            "a": floats(a),
            "b": floats(b),
            "lam": floats(lam),
            "area": float(sklearn.metrics.auc(x, a)),
            "crossing": crossing,
            "linearity": float(sklearn.metrics.mean_absolute_error(lam, a / (a + b))),
        }


def main():
    rng = np.random.default_rng(2019)
    vectors = {
        "versions": {name: version(name) for name in PACKAGES},
        "softmax": list(softmax_cases(rng)),
        "wilson": list(wilson_cases()),
        "mcnemar": list(mcnemar_cases()),
        "holm": list(holm_cases(rng)),
        "mean": list(mean_cases(rng)),
        "bootstrap": list(bootstrap_cases(rng)),
        "calibration": list(calibration_cases(rng)),
        "detection": list(detection_cases(rng)),
        "resize": list(resize_cases(rng)),
        "components": list(components_cases(rng)),
        "localization": localization_cases(rng),
        "curve": list(curve_cases(rng)),
    }
    lines = []
    for topic, cases in vectors.items():
        if isinstance(cases, list):
            listed = ",\n    ".join(json.dumps(case, allow_nan=False) for case in cases)
            lines.append(f'  "{topic}": [\n    {listed}\n  ]')
        else:
            lines.append(f'  "{topic}": {json.dumps(cases, allow_nan=False)}')
    VECTORS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
