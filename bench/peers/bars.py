"""The bars that were set, met or missed in a report of `tern bench`, a line each.

    python bench/peers/bars.py report.json

They are the same for every number of threads.
"""
import json
import re
import sys

TORCH = ["eager", "traced", "compiled"]
# How many times as long as tern the fastest of these must take.
BARS = [
    ("cnn", "infer", ["onnxruntime"], 0.85),
    ("cnn", "infer", TORCH, 1.5),
    ("lstm", "infer", ["onnxruntime"], 1.5),
    ("lstm", "infer", TORCH, 2.0),
    ("transformer", "infer", ["onnxruntime"], 1.5),
    ("transformer", "infer", TORCH, 1.5),
    ("cnn", "train", TORCH, 1.0),
    ("lstm", "train", TORCH, 1.3),
    ("transformer", "train", TORCH, 1.3),
]
for fusion in ("concat", "attention", "crossmodal"):
    BARS += [
        (f"trimodal-{fusion}", "infer", ["onnxruntime"], 1.4),
        (f"trimodal-{fusion}", "infer", ["eager"], 2.8),
        (f"trimodal-{fusion}", "train", TORCH, 1.4),
    ]
MEMORY_BAR = 0.6  # of the smallest growth of PyTorch's
# Parts of the FMA peak: of products of n x n matrices, and of convolutions in which an
# output sees at least so many channels.
SGEMM_BARS = {512: 0.85, 1024: 0.90}
CONVOLUTION_BARS = {"fwd": 0.90, "bwd": 0.65}
CONVOLUTION_CHANNELS = 32
# Parts of the FMA peak, as in bench/measure/ceilings.c: one thread with less was slowed down,
# several shared cores.
SLOWER, SHARED = 0.9, 0.75
QUIET = 3.0  # per cent of all cores' time: above it others disturb what is timed


def judged(passed, text):
    return f"{'pass' if passed else 'MISS'}  {text}"


def of_model(rows, model, mode):
    """Its rows, by provider."""
    return {
        row["provider"]: row
        for row in rows
        if (row["kind"], row["op"], row["pass"]) == ("model", model, mode)
        and "median" in row
    }


def least(found, sides, key):
    """The side whose value is the least; None if there is none."""
    sides = [side for side in sides if side in found]
    return min(sides, key=lambda side: found[side][key]) if sides else None


def time_lines(rows):
    lines = []
    for model, mode, sides, bar in BARS:
        found = of_model(rows, model, mode)
        best = least(found, sides, "median")
        if best and "hand" in found:
            ratio = found[best]["median"] / found["hand"]["median"]
            text = f"{model} {mode}: {ratio:.2f} x {best}, bar {bar:.2f}"
            verdicts = {found[side]["verdict"] for side in ("hand", best)} - {"ok"}
            text += "".join(f" ({verdict})" for verdict in sorted(verdicts))
            lines.append(judged(ratio >= bar and not verdicts, text))
    return lines


def memory_lines(rows):
    lines = []
    for model, mode in dict.fromkeys((row["op"], row["pass"]) for row in rows):
        found = of_model(rows, model, mode)
        best = least(found, TORCH, "memory_growth")
        if best and "hand" in found:
            ours, theirs = (found[side]["memory_growth"] for side in ("hand", best))
            text = f"{model} {mode}: memory grows {ours / theirs:.2f} of {best}'s"
            lines.append(judged(ours <= MEMORY_BAR * theirs, f"{text}, bar {MEMORY_BAR:.2f}"))
    return lines


def kernel_bar(row):
    """The bar of a row; None if it has none."""
    is_hand = (row["kind"], row["provider"], row["cache"]) == ("op", "hand", "hot")
    if not is_hand or "median" not in row:
        return None
    shapes = [
        [int(n) for n in shape.split(",")] for shape in re.findall(r"\[([\d,]+)\]", row["inputs"])
    ]
    if row["op"] == "matmul" and row["pass"] == "fwd" and shapes[0] == shapes[1]:
        return SGEMM_BARS.get(shapes[0][0]) if len(shapes[0]) == 2 else None
    if row["op"] == "conv2d" and shapes[1][-1] >= CONVOLUTION_CHANNELS:
        return CONVOLUTION_BARS.get(row["pass"])
    return None


def kernel_lines(rows):
    lines = []
    for row in rows:
        bar = kernel_bar(row)
        if bar:
            # By the contract's FLOPs: who needs fewer (Winograd) may be faster than the peak.
            part = row["ceilings"]["fma"] * row["flops"] / row["executed_flops"]
            text = f"{row['op']} {row['pass']} {row['inputs']} {row['options']}".rstrip()
            text += f": {100 * part:.0f} % of the FMA peak, bar {100 * bar:.0f}"
            if row["verdict"] != "ok":
                text += f" ({row['verdict']})"
            lines.append(judged(part >= bar and row["verdict"] == "ok", text))
    return lines


def disturbances(report):
    """What the report's machine did meanwhile."""
    lines = []
    if report["host"]["other_percent"] + report["host"]["steal_percent"] > QUIET:
        lines.append("THE MACHINE WAS NOT QUIET: these times say little; repeat them")
    for ceiling in report["ceilings"]:
        worst, best = ceiling.get("worst", 0), ceiling["per_second"]
        if 0 < worst < (SHARED if ceiling["threads"] > 1 else SLOWER) * best:
            lines.append(
                f"AT TIMES {ceiling['threads']} THREAD(S) HAD {worst / 1e9:.0f} OF "
                f"{best / 1e9:.0f} GFLOP/S ({ceiling['simd']})"
            )
    return lines


def main(path):
    with open(path) as file:
        report = json.load(file)
    lines = disturbances(report)
    for threads in sorted({row["threads"] for row in report["rows"]}):
        rows = [row for row in report["rows"] if row["threads"] == threads]
        lines.append(f"Bars, {threads} thread{'s' if threads > 1 else ''}:")
        lines += time_lines(rows) + memory_lines(rows) + kernel_lines(rows)
    print("\n".join(lines))


main(*sys.argv[1:])
