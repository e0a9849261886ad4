"""The table: times, ratios, memory, distances, and the bars that were set."""
import datetime
import re

SIDES = ["tern", "onnxruntime", "eager", "traced", "compiled"]
TORCH = ["eager", "traced", "compiled"]

# Two threads: how many times as long as tern the fastest of these must take.
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
MEMORY_BAR = 0.6  # of PyTorch's growth
# Parts of the FMA peak: of products of n x n matrices, and of convolutions in which an
# output sees at least so many channels.
SGEMM_BARS = {512: 0.85, 1024: 0.90}
CONVOLUTION_BARS = {"fwd": 0.80, "bwd": 0.65}
CONVOLUTION_CHANNELS = 32
BAR_THREADS = 2
QUIET = 0.03  # of all cores' time: above it others disturb what is timed


def quantile(samples, q):
    ordered = sorted(samples)
    at = q * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])


def median(row, side, mode):
    """In seconds; None if it was not timed."""
    samples = row["sides"].get(side, {}).get("seconds", {}).get(mode)
    return quantile(samples, 0.5) if samples else None


def growth(row, side, mode):
    return row["sides"].get(side, {}).get("memory_growth", {}).get(mode)


def best(row, mode, sides, value=median):
    """The side with the least, and it; None if there is none."""
    found = [(value(row, side, mode), side) for side in sides]
    found = [each for each in found if each[0] is not None]
    return min(found) if found else None


def time_cell(row, side, mode):
    """Median in milliseconds, half the distance of the quartiles, times tern's."""
    middle = median(row, side, mode)
    if middle is None:
        return " " * (16 if side == "tern" else 22)
    samples = row["sides"][side]["seconds"][mode]
    spread = (quantile(samples, 0.75) - quantile(samples, 0.25)) / 2 / middle
    text = f"{1e3 * middle:10.3f} {'±' + format(100 * spread, '.0f') + '%':>5}"
    return text if side == "tern" else f"{text} {middle / median(row, 'tern', mode):5.2f}"


def memory_cell(row, side, mode):
    found = growth(row, side, mode)
    if found is None:
        return " " * (16 if side == "tern" else 22)
    text = f"{found / 2**20:16.1f}"
    return text if side == "tern" else f"{text} {found / growth(row, 'tern', mode):5.2f}"


def label(row, mode):
    return f"{row['model']:19} {row['threads']:3}  {mode:5}"


def table(rows, cell, value, peers):
    """One line for each model, mode and number of threads; at its end the best of peers."""
    head = "".join(f"{side:>16}" + ("     x" if side != "tern" else "") for side in SIDES)
    lines = [f"{'model':19} {'thr':3}  {'mode':5}{head}  best peer"]
    for mode in ("infer", "train"):
        for row in rows:
            if value(row, "tern", mode) is None:
                continue
            text = label(row, mode) + "".join(cell(row, side, mode) for side in SIDES)
            found = best(row, mode, peers, value)
            if found:
                text += f"  {found[0] / value(row, 'tern', mode):5.2f} {found[1]}"
            lines.append(text.rstrip())
    return lines


def judged(passed, text):
    return f"{'pass' if passed else 'MISS'}  {text}"


def time_bar_lines(at_bar):
    lines = []
    for model, mode, sides, bar in BARS:
        found = best(at_bar[model], mode, sides) if model in at_bar else None
        if found:
            ratio = found[0] / median(at_bar[model], "tern", mode)
            text = f"{model} {mode}: {ratio:.2f} x {found[1]}, bar {bar:.2f}"
            lines.append(judged(ratio >= bar, text))
    return lines


def memory_bar_lines(at_bar):
    lines = []
    for row in at_bar.values():
        for mode in ("infer", "train"):
            found, ours = best(row, mode, TORCH, growth), growth(row, "tern", mode)
            if found:
                ratio = ours / found[0]
                text = f"{row['model']} {mode}: memory grows {ratio:.2f} of {found[1]}'s"
                lines.append(judged(ratio <= MEMORY_BAR, f"{text}, bar {MEMORY_BAR:.2f}"))
    return lines


def allocation_lines(rows):
    allocating = [
        f"{row['model']} with {row['threads']} threads"
        for row in rows
        if row["sides"]["tern"]["heap_allocations"] or row["sides"]["tern"]["context_allocations"]
    ]
    return [judged(not allocating, f"allocations after step 2: {', '.join(allocating) or 'none'}")]


def kernel_bar(row):
    """Of one row of `tern bench`: the bar, None if it has none."""
    if row["threads"] != BAR_THREADS:
        return None
    sizes = [int(n) for n in re.findall(r"\d+", row["inputs"].split()[1])]
    if row["op"] == "matmul":
        return SGEMM_BARS[sizes[0]]
    return CONVOLUTION_BARS[row["pass"]] if sizes[-1] >= CONVOLUTION_CHANNELS else None


def kernel_bar_lines(rows):
    lines = []
    for row in rows:
        bar = kernel_bar(row)
        if bar:
            part = row["ceilings"]["fma"]
            text = f"{row['op']} {row['pass']} {row['inputs']} {row['options']}".rstrip()
            text += f": {100 * part:.0f} % of the FMA peak, bar {100 * bar:.0f}"
            if row["verdict"] != "ok":
                text += f" ({row['verdict']})"
            lines.append(judged(part >= bar and row["verdict"] == "ok", text))
    return lines


def bar_lines(rows, facts):
    at_bar = {row["model"]: row for row in rows if row["threads"] == BAR_THREADS}
    return [
        *time_bar_lines(at_bar),
        *memory_bar_lines(at_bar),
        *allocation_lines(rows),
        *kernel_bar_lines(facts["kernels"]),
    ]


def away_lines(rows):
    names = ["logits_before", "gradients", "losses", "logits_after", "read_back"]
    lines = [f"{'model':19} {'thr':3}  {'side':12}" + "".join(f"{name:>15}" for name in names)]
    for row in rows:
        for side, off in row["away"].items():
            cells = "".join(f"{off[name]:15.1e}" if name in off else " " * 15 for name in names)
            lines.append(f"{row['model']:19} {row['threads']:3}  {side:12}{cells}".rstrip())
    return lines


def machine_lines(facts):
    ours = next(row for row in facts["kernels"] if "1024" in row["inputs"])
    rate, torch = ours["flops"] / ours["median"] * 1e-9, ("torch_sgemm", "torch_sgemm_installed")
    peak = rate / ours["ceilings"]["fma"]
    rates = {"tern": rate} | {name: facts[name] for name in torch}
    share = {name: f"{rate:.0f} ({100 * rate / peak:.0f} %)" for name, rate in rates.items()}
    lines = [
        f"{facts['cpu']}; {facts['cores']} cores; {facts['system']}; governor {facts['governor']}",
        f"tern {facts['tern']}, SIMD level {facts['simd']}; PyTorch {facts['torch']}; onnxruntime"
        f" {facts['onnxruntime']}; Python {facts['python']}",
        f"PyTorch's libraries: {facts['mkl']}; oneDNN: {facts['onednn']}",
        f"sgemm 1024, 1 thread, GFLOP/s and part of the FMA peak of {peak:.0f}:"
        f" tern {share['tern']},",
        f"PyTorch here {share['torch_sgemm']}, as it is installed {share['torch_sgemm_installed']}"
        " (MKL_SHIM in compare.py)",
        f"load {facts['load_before']:.2f} before, {facts['load_after']:.2f} after; of all cores'"
        f" time other programs had {100 * facts['others']:.1f} %, the host took"
        f" {100 * facts['stolen']:.1f} %",
    ]
    return lines + not_quiet(facts)


def not_quiet(facts):
    if facts["others"] + facts["stolen"] <= QUIET:
        return []
    return ["THE MACHINE WAS NOT QUIET: these times say little; repeat them"]


def report(rows, facts, rounds, repeat):
    facts = facts | {"simd": rows[0]["sides"]["tern"].get("simd", "unknown")}
    lines = [
        f"tern beside PyTorch and onnxruntime, {datetime.date.today()}",
        "",
        *machine_lines(facts),
        f"repeat: {repeat}   ({facts['minutes']:.0f} minutes of timing)",
        "",
        "infer: one row.  train: 32 rows (trimodal: 16), AdamW; trimodal with dropout 0.1 and",
        f"clipping.  Milliseconds: median ± half the quartiles' distance, hot, in {rounds} rounds",
        "by turns.  x: times tern's median.  eager, traced (torch.jit), compiled (torch.compile)",
        "are PyTorch with channels_last, fused AdamW and attention, inference_mode, no masks;",
        "glibc keeps freed memory; weights are frozen for traced and compiled inference, tern's",
        "are discarded when they are packed (tern_set_inference_only).",
        "",
        *table(rows, time_cell, median, SIDES[1:]),
        "",
        "Memory growth of the process in MiB: the most resident up to then, less what was before",
        "the model was made; x: times tern's.  Of compiled it includes the compiler's.",
        "",
        *table(rows, memory_cell, growth, SIDES[1:]),
        "",
        "Largest distance from tern's values, as a part of the largest: logits before training;",
        "all gradients of the first step (lengths instead of the largest); the losses of five",
        "steps without dropout, and logits after them; and of tern's logits from the weights",
        "that the peer has trained (read_back) from the peer's logits.",
        "",
        *away_lines(rows),
        "",
        f"Bars, {BAR_THREADS} threads, against the fastest or smallest form of PyTorch:",
        *not_quiet(facts),
        *bar_lines(rows, facts),
    ]
    refused = [
        f"NOT TIMED  {row['model']}, {row['threads']} threads, {side}: {why}"
        for row in rows
        for side, why in row["refused"].items()
    ]
    return "\n".join(lines + refused) + "\n"
