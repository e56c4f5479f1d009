"""Cases of a vector file: inputs by rule, labels, and a replay by our definitions before anything is written."""

import json
import sys

import numpy as np

CLASSES = 5
RULE = {"n": 37, "c": 17, "y": 11, "x": 5, "xy": 7, "plus": 3, "modulo": 256}
EDGES = ("top", "left", "bottom", "right")


class Images:
    """A batch whose values follow `RULE`, so that a file need not hold them; `f32` are the bytes divided by 255."""

    def __init__(self, shape, dtype="u8"):
        n, c, y, x = np.ogrid[tuple(slice(side) for side in shape)]
        level = (
            RULE["n"] * n + RULE["c"] * c + RULE["y"] * y + RULE["x"] * x + RULE["xy"] * x * y + RULE["plus"]
        ) % RULE["modulo"]
        self.shape, self.dtype = list(shape), dtype
        self.values = level.astype(np.uint8) if dtype == "u8" else level.astype(np.float32) / np.float32(255)

    def describe(self):
        divide = {} if self.dtype == "u8" else {"divide": 255}
        return {"shape": self.shape, "dtype": self.dtype, "rule": RULE | divide}


class Labels:
    """One class per sample, or rows of shares."""

    def __init__(self, index=None, rows=None):
        self.index = index
        self.rows = np.eye(CLASSES, dtype=np.float32)[index] if rows is None else np.asarray(rows, np.float32)

    @classmethod
    def of(cls, n):
        return cls(index=[(2 * i + 1) % CLASSES for i in range(n)])

    def describe(self):
        if self.index is not None:
            return {"classes": CLASSES, "index": self.index}
        return {"classes": CLASSES, "rows": plain(self.rows)}


class Vectors:
    """The cases of one peer."""

    def __init__(self, peer, version, method, source):
        self.head = {"peer": peer, "version": version, "method": method, "source": source}
        self.cases = []

    def add(
        self,
        operator,
        what,
        config,
        parameters,
        images,
        output,
        labels=None,
        labels_out=None,
        drawn=None,
        output_within=0.0,
        labels_within=1e-6,
        defect=None,
        differs=(),
        before=None,
    ):
        """Adds a case. `differs` names what ours does not reproduce, which only a defect excuses; `before` are steps that run first."""
        assert bool(defect) == bool(differs), what
        case = {"operator": operator, "what": what, "config": config, "parameters": parameters}
        if before:
            case["before"] = before
        if drawn:
            case["drawn"] = drawn
        case["input"] = images.describe()
        output = np.asarray(output)
        case["output_shape"] = list(output.shape)
        case["output"] = plain(output)
        case["output_within"] = output_within
        ours, ours_labels = replay(operator, config, parameters, images, labels, before or {})
        compare(what, "output", ours, output, output_within, differs)
        if labels is not None:
            labels_out = np.asarray(labels_out, np.float32)
            case |= {"labels": labels.describe(), "labels_out": plain(labels_out), "labels_within": labels_within}
            compare(what, "labels_out", ours_labels, labels_out, labels_within, differs)
        if defect:
            case |= {"defect": defect, "differs": list(differs)}
            if "labels_out" in differs:
                case["labels_ours"] = plain(ours_labels)
        self.cases.append(case)

    def refuses(self, operator, what, config, images, error, defect):
        """Adds a case that the peer refuses."""
        text = str(error).splitlines()[0]
        self.cases.append(
            {
                "operator": operator,
                "what": what,
                "config": config,
                "input": images.describe(),
                "raises": f"{type(error).__name__}: {text}",
                "defect": defect,
            }
        )

    def write(self):
        """Writes to the file named on the command line, one line for each field of a case."""

        def line(value):
            return json.dumps(value, separators=(", ", ": ") if not isinstance(value, list) else (",", ":"))

        head = ",\n".join(f'"{key}": {line(value)}' for key, value in self.head.items())
        cases = ",\n".join(
            "{" + ",\n ".join(f'"{key}": {line(value)}' for key, value in case.items()) + "}" for case in self.cases
        )
        with open(sys.argv[1], "w") as file:
            file.write(f'{{{head},\n"cases": [\n{cases}\n]}}\n')


def plain(array):
    """A flat list; floats are the shortest decimals that give the same f32 back, read as f32 or as f64."""
    array = np.asarray(array)
    if array.dtype != np.float32:
        assert array.dtype == np.uint8, array.dtype
        return array.ravel().tolist()
    values = [float(str(value)) for value in array.ravel()]
    assert np.array_equal(np.array(values, np.float64).astype(np.float32), array.ravel())
    return values


def compare(what, name, ours, peer, within, differs):
    """Fails where a case does not hold what it says, or calls the same thing different."""
    if ours is None:
        return
    distance = (
        float(np.abs(ours.astype(np.float64) - peer.astype(np.float64)).max()) if ours.shape == peer.shape else np.inf
    )
    if (name in differs) != (distance > within):
        sys.exit(f"{what}: {name} is {distance} from ours, bound {within}, differs {list(differs)}")


def replay(operator, config, parameters, images, labels, before):
    """Output and labels by our definitions, from the parameters; None where the definition is long (resampling)."""
    values = images.values
    rows = None if labels is None else smoothed(labels.rows, **before.get("label_smoothing", {}))
    partner = parameters.get("partner")
    if operator in ("cutmix", "resizemix"):
        out = values.copy()
        boxes = list(zip(*(parameters[edge] for edge in EDGES)))
        for i, (top, left, bottom, right) in enumerate(boxes):
            out[i, :, top:bottom, left:right] = values[partner[i], :, top:bottom, left:right]
        area = [(bottom - top) * (right - left) for top, left, bottom, right in boxes]
        lam = parameters.get("lam", [1 - pixels / (values.shape[2] * values.shape[3]) for pixels in area])
        return kept(config, out) if operator == "cutmix" else None, kept(config, weighed(rows, lam, partner, 2))
    if operator == "mixup":
        lam = parameters["lam"]
        return kept(config, weighed(values, lam, partner, 4)), kept(config, weighed(rows, lam, partner, 2))
    if operator in ("random_erasing", "cutout"):
        return erased(values, parameters, config.get("fill", 0)), rows
    if operator in ("horizontal_flip", "vertical_flip"):
        axis = 2 if operator == "horizontal_flip" else 1
        return np.stack(
            [np.flip(image, axis) if act else image for image, act in zip(values, parameters["apply"])]
        ), rows
    if operator in ("random_crop", "center_crop"):
        return windows(values, parameters["top"], parameters["left"], config["size"]), rows
    return None, rows


def kept(config, array):
    """`mode: half` returns the first half of the batch."""
    return array[: len(array) // 2] if config.get("mode") == "half" else array


def smoothed(rows, smoothing=0.0, multi_label=False):
    return rows * np.float32(1 - smoothing) + np.float32(smoothing * (0.5 if multi_label else 1 / rows.shape[1]))


def weighed(values, lam, partner, rank):
    """`lam * own + (1 - lam) * partner` in f32; bytes to the nearest level, halves to even; a weight of 1 changes nothing."""
    lam = np.asarray(lam, np.float32).reshape([-1] + [1] * (rank - 1))
    own = values.astype(np.float32)
    mixed = np.where(lam == 1, own, own * lam + own[partner] * (np.float32(1) - lam))
    return np.rint(mixed).astype(np.uint8) if values.dtype == np.uint8 else mixed


def erased(values, parameters, fill):
    out = values.copy()
    fill = np.broadcast_to(np.asarray(fill, values.dtype), [values.shape[1]])[:, None, None]
    for i in range(len(out)):
        holes = (np.atleast_1d(parameters[edge][i]) for edge in EDGES)
        for top, left, bottom, right in zip(*holes):
            out[i, :, top:bottom, left:right] = fill
    return out


def windows(values, top, left, size):
    """Windows of `size`, zeros outside the image."""
    height, width = size
    out = np.zeros([*values.shape[:2], height, width], values.dtype)
    for i, (first, start) in enumerate(zip(top, left)):
        for y in range(height):
            for x in range(width):
                if 0 <= first + y < values.shape[2] and 0 <= start + x < values.shape[3]:
                    out[i, :, y, x] = values[i, :, first + y, start + x]
    return out
