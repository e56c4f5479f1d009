"""Checks the rows, maps and summary of an experiment with nothing but onnxruntime, numpy and onnx.

    python experiments.py CASE.json

CASE.json names the kind of the experiment, the model, its prepared images and what augraft wrote. All is computed again
from the images; only what was drawn (pairs, lam, boxes of operators) comes from the rows. Paths are relative to its
folder. Optional keys: `frame` (local), `space` (normalized), `targets` (names of the targets of maps: a, b, top1),
`noise` (names of sets of noise), `leave_out` (names of interventions that are not to be checked).

Prints one line of JSON for each check: its name, how many values were compared, the largest difference, and ties, the
rows where less than 1e-4 of a logit decides and either is right. Exits with 1 and a message when something is off.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy
import onnx.utils
import onnxruntime
from onnx import helper, numpy_helper, shape_inference

BATCH = 32
TIE = 1e-4
BOX = ("top", "left", "bottom", "right")
NO_BOX = (-1, -1, -1, -1)
WHOLE = ("unit", "image", "partner", "label_a", "label_b", "top1", "rank_a", *BOX)
REAL = ("lam", "lam_eff", "p_a", "p_b", "confidence", "entropy", "energy", "max_logit", "nll", "brier", "changed")
# Of a real column without an entry, 1e-4 of the value, and of 1 at least: runtimes differ in the last bits of logits.
ALLOWED = {"lam": 1e-6, "lam_eff": 1e-6, "p_a": 1e-5, "p_b": 1e-5, "confidence": 1e-5, "brier": 4e-5}
CELL = ("set", "method", "metric", "value", "low", "high", "n", "p", "p_holm")
SCORES = {"msp": "confidence", "energy": "energy", "max_logit": "max_logit"}
STEPS = {"fpr95", "tnr95"}
DETECTION = {"auroc", "aupr", "aupr_in", "aupr_out", "detection_accuracy", *STEPS}
RATES = {"top1", "top1_error", "neither_error"}
METRICS = {*RATES, "ece", "mce", *REAL[1:]}
WITHOUT_NOISE = "mean of sets without noise"


def check(problems, name, theirs, own, allowed, words, ties=()):
    """Compares, prints the line and remembers what is off; `words` say what stands at a place."""
    theirs, own = numpy.asarray(theirs, float), numpy.asarray(own, float)
    with numpy.errstate(invalid="ignore"):
        gap = numpy.abs(theirs - own)
        off = ~((gap <= allowed) | (theirs == own) | (numpy.isnan(theirs) & numpy.isnan(own)))
    largest = float(numpy.max(gap[numpy.isfinite(gap)], initial=0))
    print(json.dumps({"check": name, "rows": len(own), "largest": largest, "ties": [int(at) for at in ties]}))
    if off.any():
        at = int(off.argmax())
        count = f"{off.sum()} of {len(own)} are off"
        problems.append(f"{name}: {words(at)} has {theirs[at]:.9g}, recomputed {own[at]:.9g}; {count}")


class Network:
    """The model, run from any tensors to any others."""

    def __init__(self, path):
        model = shape_inference.infer_shapes(onnx.load(path))
        self.graph, self.parts, self.sessions = model.graph, onnx.utils.Extractor(model), {}
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}
        self.input = next(port.name for port in self.graph.input if port.name not in self.constants)
        self.logits = self.graph.output[0].name

    def run(self, wanted, given):
        """Values of tensors from those of others, the images among them, which decide what bypasses the others."""
        key = (*given, "to", *wanted)
        if key not in self.sessions:
            options, part = onnxruntime.SessionOptions(), self.parts.extract_model(list(given), list(wanted))
            options.intra_op_num_threads, options.log_severity_level = 2, 3
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            made = part.SerializeToString()
            self.sessions[key] = onnxruntime.InferenceSession(made, options, providers=["CPUExecutionProvider"])
        starts = range(0, len(given[self.input]), BATCH)
        feeds = [{name: values[at : at + BATCH] for name, values in given.items()} for at in starts]
        return [numpy.concatenate(values) for values in zip(*(self.sessions[key].run(None, feed) for feed in feeds))]

    def head(self, image):
        """Weights C,K of the last linear layer."""
        node = [node for node in self.graph.node if node.op_type in ("Gemm", "MatMul")][-1]
        options, name = {each.name: helper.get_attribute_value(each) for each in node.attribute}, node.input[1]
        stored = self.constants.get(name)
        # Weights that are stored in another form are those that the runtime makes of it.
        weights = numpy_helper.to_array(stored) if stored else self.run((name,), {self.input: image[None]})[0]
        weights = weights.astype(float) * options.get("alpha", 1.0)
        return weights if options.get("transB", 0) else weights.T


def table(columns, leave_out):
    """Rows as arrays; whole numbers that are not known are -1, real ones NaN."""
    missing = {"intervention", "site", *WHOLE, *REAL} - set(columns)
    if missing or len({len(column) for column in columns.values()}) != 1:
        raise SystemExit(f"the rows lack columns, or these have several lengths: {sorted(missing)}")
    count, rows = len(columns["unit"]), {}
    keep = [at for at in range(count) if columns["intervention"][at] not in leave_out]
    absent = {"set": ["data"] * count, "side": [None] * count, "area": [None] * count}
    for name, column in {**absent, **columns}.items():
        column = [column[at] for at in keep]
        unknown = -1 if name in WHOLE else numpy.nan
        is_text = any(isinstance(value, str) for value in column)
        values = column if is_text else [unknown if value is None else value for value in column]
        rows[name] = numpy.array(values, object if is_text else int if name in WHOLE else float)
    told = zip(keep, *(rows[name].tolist() for name in ("set", "unit", "intervention", "site", "lam", "side", "area")))
    words = ["row {} ({} unit {}, {} at {}, lam {:.6g}, side {:.6g}, area {:.6g})".format(*row) for row in told]
    return {**rows, "row": numpy.array(keep), "words": words}


def where(rows, wanted):
    """Which rows have these words and values."""
    found = numpy.ones(len(rows["row"]), bool)
    for name, value in ((name, value) for name, value in wanted.items() if value not in (None, "")):
        if name not in rows:
            raise SystemExit(f"the rows lack the variable `{name}`")
        is_text = rows[name].dtype == object
        found &= rows[name] == value if is_text else numpy.abs(rows[name] - float(value)) < 1e-6
    return found


def centered(share, side):
    """First element and the one after the last of a share of a side, around its middle."""
    whole = int(numpy.floor(share * side))
    length = whole + int(share * side - whole >= 0.5)
    start = int(numpy.floor(side * 0.5 - length / 2))
    return start, start + length


def act(case, rows, at, own, other, bound):
    """A row's intervention on its tensor C,H,W: the values, lam, lam_eff, the box, and whether a tie leaves it open."""
    name, side, area = (rows[column][at] for column in ("intervention", "side", "area"))
    sizes = own.shape[1:]
    if name == "clean":
        return own, 1.0, 1.0, NO_BOX, False
    if name == "react":
        return numpy.minimum(own, numpy.float32(bound)), 1.0, 1.0, NO_BOX, False
    if name == "ash":
        order, pruned = numpy.argsort(own, None, kind="stable"), int(numpy.floor(0.65 * own.size + 0.5))
        values = own.copy()
        values.reshape(-1)[order[:pruned]] = 0
        kept = values.sum(dtype=float)
        scale = numpy.exp(own.sum(dtype=float) / kept) if kept else 1.0
        low, high = own.reshape(-1)[order[[pruned - 1, min(pruned, own.size - 1)]]]
        is_open = pruned < own.size and high != 0 and high - low <= 1e-6 * max(1, abs(high))
        return values * numpy.float32(scale), 1.0, 1.0, NO_BOX, is_open
    if name in ("center", "boundary"):
        box = top, left, bottom, right = numpy.transpose([centered(side, size) for size in sizes]).ravel()
        zero = case["pixel_zero"] if case.get("space") == "pixel" else [0] * len(own)
        fill = numpy.zeros_like(own) + numpy.array(zero, numpy.float32)[:, None, None]
        values, inner = (own.copy(), fill) if name == "center" else (fill.copy(), own)
        values[:, top:bottom, left:right] = inner[:, top:bottom, left:right]
        return values, 1.0, 1.0, box, False
    is_drawn = case["kind"] == "feature_cutmix"
    if other is None or not is_drawn and name not in ("mixup", "cutmix"):
        raise SystemExit(f"{rows['words'][at]} has no partner or no reference; `leave_out` may name its intervention")
    if name == "mixup" and not is_drawn:
        lam = numpy.float32(rows["lam"][at])
        return lam * own + (numpy.float32(1) - lam) * other, lam, lam, NO_BOX, False
    if is_drawn or numpy.isnan(side) and numpy.isnan(area):
        box, lam = tuple(int(rows[edge][at]) for edge in BOX), rows["lam"][at]
        top, left, bottom, right = box if box != NO_BOX else (0, 0, 0, 0)
        if not (0 <= top <= bottom <= sizes[0] and 0 <= left <= right <= sizes[1]):
            raise SystemExit(f"{rows['words'][at]}: its box {box} leaves the tensor of {sizes}")
    else:
        side, lam = (numpy.sqrt(area), 1 - area) if numpy.isnan(side) else (side, 1 - side * side)
        drawn_on = case["image_size"] if case.get("frame") == "project" else sizes
        edges, start, to = (numpy.array(of) for of in ([centered(side, size) for size in drawn_on], drawn_on, sizes))
        box = top, left, bottom, right = ((2 * edges.T * to + start) // (2 * start)).ravel()
    values = own.copy()
    values[:, top:bottom, left:right] = other[:, top:bottom, left:right]
    return values, lam, 1 - (bottom - top) * (right - left) / (sizes[0] * sizes[1]), box, False


def measure(logits, lam, a, b, top1, rank_a):
    """Columns of rows from their logits; the given class and rank are taken where they fit within a tie."""
    logits, every, classes = logits.astype(float), numpy.arange(len(logits)), numpy.arange(logits.shape[1])
    most = logits.max(1)
    weights = numpy.exp(logits - most[:, None])
    p, energy = weights / weights.sum(1, keepdims=True), most + numpy.log(weights.sum(1))
    entropy = -(p * numpy.log(numpy.where(p > 0, p, 1))).sum(1)
    fits = (top1 >= 0) & (top1 < len(classes)) & (logits[every, numpy.clip(top1, 0, len(classes) - 1)] > most - TIE)
    top1 = numpy.where(fits, top1, logits.argmax(1))
    is_known, z = a >= 0, logits[every, a][:, None]
    rank = (logits > z).sum(1) + ((logits == z) & (classes < a[:, None])).sum(1)
    low, high = (logits > z + TIE).sum(1), (logits > z - TIE).sum(1) - 1
    rank = numpy.where((low <= rank_a) & (rank_a <= high), rank_a, rank)
    lam = numpy.where(b >= 0, lam, 1.0)[:, None]
    label = (classes == a[:, None]) * lam + (classes == b[:, None]) * (1 - lam)
    of_label = {"p_a": p[every, a], "credit": label[every, top1], "brier": ((p - label) ** 2).sum(1)}
    of_label["nll"] = (label * (energy[:, None] - logits)).sum(1)
    return {
        "confidence": p.max(1), "entropy": entropy, "energy": energy, "max_logit": most, "top1": top1,
        "rank_a": numpy.where(is_known, rank, -1), "p_b": numpy.where(b >= 0, p[every, b], numpy.nan),
        "top1 tied": most - numpy.partition(logits, -2, 1)[:, -2] < TIE, "rank_a tied": is_known & (low < high),
        **{name: numpy.where(is_known, values, numpy.nan) for name, values in of_label.items()},
    }


def recompute(case, network, images, rows):
    """All columns of all rows, site by site, in blocks of units that share their clean runs."""
    mine = {}
    used = numpy.setdiff1d([rows[name][rows["set"] == "data"] for name in ("image", "partner")], [-1])
    for site in sorted(set(rows["site"])):
        tensor = network.input if site in ("-", "input") else case["sites"][site]
        here, bound = rows["site"] == site, None
        if (here & (rows["intervention"] == "react")).any():
            values = network.run((tensor,), {network.input: images["data"][used]})[0]
            bound = numpy.quantile(values.astype(float), 0.9)
        for name in sorted(set(rows["set"][here])):
            chosen = numpy.flatnonzero(here & (rows["set"] == name))
            if max(rows[of][chosen].max() for of in ("image", "partner")) >= len(images[name]):
                raise SystemExit(f"rows of {name} at {site} have images behind the last of {len(images[name])}")
            units = numpy.unique(rows["unit"][chosen])
            for first in range(0, len(units), BATCH):
                block = chosen[numpy.isin(rows["unit"][chosen], units[first : first + BATCH])]
                run_block(case, network, images[name], rows, block, tensor, bound, mine)
    return mine


def run_block(case, network, images, rows, block, tensor, bound, mine):
    needed = numpy.setdiff1d([rows["image"][block], rows["partner"][block]], [-1])
    start, is_input = images[needed], tensor == network.input
    clean = start if is_input else network.run((tensor,), {network.input: start})[0]
    maps = clean.reshape(*clean.shape, 1, 1) if clean.ndim == 2 else clean
    for first in range(0, len(block), BATCH):
        batch = block[first : first + BATCH]
        own, other = (numpy.searchsorted(needed, rows[name][batch]) for name in ("image", "partner"))
        others = [maps[b] if rows["partner"][at] >= 0 else None for at, b in zip(batch, other)]
        done = [act(case, rows, at, maps[a], b, bound) for at, a, b in zip(batch, own, others)]
        before, after = maps[own], numpy.stack([values for values, *_ in done])
        given = after.reshape(len(batch), *clean.shape[1:])
        logits = network.run((network.logits,), {network.input: start[own], tensor: given})[0]
        lam_eff = numpy.array([each[2] for each in done], numpy.float32)
        found = measure(logits, lam_eff.astype(float), *(rows[name][batch] for name in WHOLE[3:7]))
        found |= {"lam": [each[1] for each in done], "lam_eff": lam_eff, "open": [each[4] for each in done]}
        found |= {edge: [each[3][number] for each in done] for number, edge in enumerate(BOX)}
        differs = before.view(numpy.int32) != after.view(numpy.int32)
        found["changed"] = numpy.where(rows["intervention"][batch] == "clean", numpy.nan, differs.mean((1, 2, 3)))
        # Behind the input, runtimes differ in last bits, and so in which of nearly equal elements change.
        close = differs & (numpy.abs(after - before) <= 1e-6 * numpy.maximum(1, numpy.abs(before)))
        close |= numpy.abs(before - (numpy.inf if bound is None else bound)) <= 1e-5
        found["changed allowed"] = 1e-6 + (0 if is_input else 1e-3 + close.mean((1, 2, 3)))
        for name, values in found.items():
            mine.setdefault(name, numpy.zeros(len(rows["row"])))[batch] = values


def check_rows(rows, mine, problems):
    """Every setting has every unit once, a unit is the same everywhere, and columns are what was recomputed."""
    words, is_open = rows["words"].__getitem__, mine["open"] != 0
    fixed = {*WHOLE, *REAL[1:], "row", "words", "key", "setting", "credit"}
    swept = [name for name in rows if name not in fixed and not name.startswith(("logit_", "kl_"))]
    settings = Counter(zip(rows["unit"].tolist(), *(map(str, rows[name]) for name in swept)))
    check(problems, "settings", list(settings.values()), [1] * len(settings), 0, lambda at: f"{list(settings)[at]}")
    units = Counter(zip(rows["set"], rows["unit"].tolist()))
    most = {name: max(count for key, count in units.items() if key[0] == name) for name in set(rows["set"])}
    due = [most[name] for name, _ in units]
    check(problems, "units", list(units.values()), due, 0, lambda at: f"the number of rows of {list(units)[at]}")
    facts = set(zip(*(rows[name] for name in ("set", *WHOLE[:5]))))
    labels = {(name, *pair) for name, _, a, b, *of in facts for pair in ((a, of[0]), (b, of[1])) if pair[0] >= 0}
    sizes, own = [len(facts), len(labels)], [len(units), len({(name, image) for name, image, _ in labels})]
    check(problems, "labels", sizes, own, 0, lambda at: f"the count of {('units', 'labels')[at]}")
    for name in (*WHOLE[5:], *REAL):
        ties = is_open | (mine[f"{name} tied"] != 0) if f"{name} tied" in mine else is_open
        own = numpy.where(is_open, rows[name], mine[name])
        allowed = 0 if name in WHOLE else ALLOWED.get(name, 1e-4 * numpy.maximum(1, numpy.abs(own)))
        allowed = mine["changed allowed"] if name == "changed" else allowed
        check(problems, name, rows[name], own, allowed, words, rows["row"][ties])


def check_maps(case, path, network, images, rows, mine, problems):
    """Class activation maps: the map at the head, weighted by the last layer."""
    with numpy.load(path) as file:
        index, theirs = file["cam_index"], file["cam_values"].astype(float)
    data, row_of = images["data"], {}
    for setting in sorted(set(index[:, 1].tolist())):
        of = case["settings"][setting]
        if of["site"] not in ("-", "input"):
            raise SystemExit(f"there is no reference for maps of setting {setting} at `{of['site']}`")
        words = {"set": "data", "intervention": of["intervention"], "site": of["site"], **of["values"]}
        row_of |= {(setting, rows["unit"][row]): row for row in numpy.flatnonzero(where(rows, words))}
    at = numpy.array([row_of.get((setting, unit), -1) for unit, setting in index[:, :2].tolist()], int)
    due, found = Counter(setting for setting, _ in row_of), Counter(map(tuple, index[:, 1:4].tolist()))
    alone = [len(set(map(tuple, index[:, :4].tolist()))), (at >= 0).sum()]
    counts, own = [*found.values(), *alone], [*(due[key[0]] for key in found), len(at), len(at)]
    check(problems, "maps", counts, own, 0, lambda n: f"number {n} of the counts of {list(found)}, keys and rows")
    weights, gaps, bias = network.head(data[0]), numpy.zeros(len(index)), []
    for first in range(0, len(index), BATCH):
        part = slice(first, first + BATCH)
        pairs = [(row, data[rows["image"][row]], rows["partner"][row]) for row in at[part]]
        given = [act(case, rows, row, own, data[b] if b >= 0 else None, None)[0] for row, own, b in pairs]
        maps, logits = network.run((case["head"], network.logits), {network.input: numpy.stack(given)})
        own = numpy.einsum("nk,nkyx->nyx", weights[index[part, 4]], maps.astype(float))
        gaps[part] = numpy.abs(own - theirs[part]).max((1, 2)) / numpy.maximum(numpy.abs(own).max((1, 2)), 1e-30)
        bias.append(logits - maps.astype(float).mean((2, 3)) @ weights.T)
    # The mean of a map is the logit without its bias, if the head is what the pooling reads.
    check(problems, "head", [numpy.ptp(numpy.concatenate(bias), 0).max()], [0], 1e-3, lambda n: "bias by image")
    check(problems, "cam", gaps, numpy.zeros(len(gaps)), 1e-4, lambda n: f"map {index[n].tolist()}")
    classes = numpy.stack([rows["label_a"][at], rows["label_b"][at], mine["top1"][at]]).astype(int)
    number = [("a", "b", "top1").index(name) for name in case.get("targets", ())]
    own = numpy.where((classes == index[:, 4]).any(0), index[:, 4], -1)
    own = classes[[number[target] for target in index[:, 3]], range(len(at))] if number else own
    check(problems, "map classes", index[:, 4], own, 0, lambda n: f"map {index[n].tolist()}")


def calibrated(confidence, credit, value):
    """ECE and MCE over 15 bins, closed above; of confidences moved over an edge, those nearest to the value."""
    found = []
    for moved in (confidence, confidence - 1e-6, confidence + 1e-6):
        bins = numpy.minimum(numpy.searchsorted(numpy.arange(1, 16) / 15, moved), 14)
        gap, count = numpy.abs(numpy.bincount(bins, credit - confidence, 15)), numpy.bincount(bins, minlength=15)
        found.append((gap.sum() / count.sum(), (gap / numpy.maximum(count, 1)).max()))
    return {name: min(of, key=lambda own: abs(own - value)) for name, of in zip(("ece", "mce"), zip(*found))}


def detected(metric, inside, outside):
    """How well scores tell data, the positive class, from another set."""
    if metric == "aupr_out":
        inside, outside = -outside, -inside
    steps = numpy.unique(numpy.concatenate([inside, outside]))[::-1]
    reached = [len(of) - numpy.searchsorted(numpy.sort(of), steps) for of in (inside, outside)]
    tpr, fpr = (numpy.r_[0, count / len(of)] for count, of in zip(reached, (inside, outside)))
    fpr95 = fpr[(tpr >= 0.95).argmax()]
    precise = (numpy.diff(tpr) * reached[0] / (reached[0] + reached[1])).sum()
    found = {"auroc": numpy.trapezoid(tpr, fpr), "aupr": precise, "aupr_in": precise, "aupr_out": precise}
    found |= {"fpr95": fpr95, "tnr95": 1 - fpr95, "detection_accuracy": ((tpr + 1 - fpr) / 2).max()}
    return found[metric]


def told_apart(metric, inside, outside):
    """A metric of detection, and how far it may be off where scores of both sets nearly tie."""
    own, both = detected(metric, inside, outside), numpy.concatenate([inside, outside])
    near, order = 1e-6 * max(1, numpy.abs(both).max()), numpy.argsort(both)
    is_near = (numpy.diff(both[order]) < near) & numpy.diff(order < len(inside))
    moved = [abs(detected(metric, inside + by, outside) - own) for by in (-near, near) if metric in STEPS]
    return own, max([1e-4, *moved]) if is_near.any() else 1e-6


def wilson(rate, n):
    """Ends of the 95 % score interval of a rate."""
    square = 1.959963984540054**2 / n
    reach = numpy.sqrt(square * (rate * (1 - rate) + square / 4))
    return [numpy.clip((rate + square / 2 + by) / (1 + square), 0, 1) for by in (-reach, reach)]


def computed(case, cell, rows, mine):
    """Columns of a cell of the summary, and how far each may be off; nothing where there is no rule."""
    of, data = cell["set"], rows["set"] == "data"
    at = where(rows, {name: value for name, value in cell.items() if name not in CELL})
    score = next((name for name in SCORES if cell["metric"].endswith(f"_{name}")), "")
    metric = cell["metric"].removesuffix(f"_{score}")
    if score and metric in DETECTION and (of != WITHOUT_NOISE or "noise" in case):
        scores = mine[SCORES[score]].astype(numpy.float32).astype(float)
        names = set(rows["set"][at & ~data]) - set(case["noise"] if of == WITHOUT_NOISE else ())
        names = [name for name in sorted(names) if of in (name, "mean of sets", WITHOUT_NOISE)]
        each = [told_apart(metric, scores[at & data], scores[at & (rows["set"] == name)]) for name in names]
        return {"value": numpy.mean(each or [(numpy.nan, 0)], 0)}
    at &= (rows["set"] == of) & (rows["label_a"] >= 0)
    if metric not in METRICS or not at.any():
        return {}
    known = {name: values[at] for name, values in mine.items()}
    a, b, top1 = rows["label_a"][at], rows["label_b"][at], known["top1"]
    known |= {"top1": top1 == a, "top1_error": top1 != a, "neither_error": (top1 != a) & (top1 != b)}
    known |= calibrated(known["confidence"], known["credit"], cell["value"]) if metric in ("ece", "mce") else {}
    own = numpy.mean(known[metric])
    ends = zip(("low", "high"), wilson(own, at.sum())) if metric in RATES else ()
    # Larger values stand there with six digits.
    found = {"value": (own, 1e-5 if abs(own) < 10 else 1e-5 * abs(own)), "n": (at.sum(), 0)}
    return found | {column: (end, 1e-5) for column, end in ends}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path)
    case = json.loads((path := parser.parse_args().case).read_text())
    sets = {**case.get("sets", {}), "data": case["images"]}
    images = {name: numpy.load(path.parent / file, mmap_mode="r") for name, file in sets.items()}
    case["image_size"] = images["data"].shape[2:]
    network, rows, problems = Network(path.parent / case["model"]), table(case["rows"], case.get("leave_out", ())), []
    mine = recompute(case, network, images, rows)
    check_rows(rows, mine, problems)
    if case["kind"] == "cam":
        check_maps(case, path.parent / case["maps"], network, images, rows, mine, problems)
    cells, left_out = {}, set()
    for cell in case.get("summary", ()):
        found = computed(case, cell, rows, mine)
        left_out |= set() if found else {cell["metric"]}
        for column, (own, allowed) in found.items():
            if column == "value" or cell.get(column) not in (None, ""):
                cells.setdefault((cell["metric"], column), []).append((cell, cell[column], own, allowed))
    for key, found in sorted(cells.items()):
        told, theirs, own, allowed = zip(*found)
        check(problems, " ".join(("summary", *key)), theirs, own, allowed, lambda at: json.dumps(told[at]))
    check(problems, f"left out of the summary: {', '.join(sorted(left_out)) or 'nothing'}", [], [], 0, str)
    if case["kind"] in ("calibration", "ood") and not cells:
        problems.append("the summary has nothing that is compared")
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
