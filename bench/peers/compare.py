"""Time tern's trimodal classifiers beside PyTorch's, and print the ratios.

    bench/peers/run [--rounds N] [--steps N] [--threads 1,2] [--fusions concat,...]
                    [--no-compile] [--report FILE] [--json FILE]

For each fusion and number of threads one process of each side is started (build/bench/models,
trimodal_torch.py, and the latter under torch.compile), and in every round each is told in
random order to time some training steps and some inferences while the others wait.  PyTorch's
processes hold their results against tern's before anything is timed.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import random
import subprocess
import sys
from importlib.metadata import version

PEERS = pathlib.Path(__file__).parent
BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
FUSIONS = ["concat", "attention", "crossmodal"]
INFERENCES_PER_STEP = 5
# PyTorch is faster when glibc keeps freed memory rather than giving it back at every step.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


class Worker:
    """A process that answers commands; see bench/workload/worker.h."""

    def __init__(self, command, environment=None):
        self.command = command
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.samples = {"train": [], "infer": []}

    def ask(self, command):
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # why is told by the last line it wrote
        line = self.process.stdout.readline()
        reply = json.loads(line) if line else {"error": "the process ended"}
        if "error" in reply:
            raise SystemExit(f"{' '.join(map(str, self.command))}: {reply['error']}")
        return reply

    def time(self, what, count):
        reply = self.ask(f"{what} {count}")
        self.samples[what] += reply["seconds"]
        self.growth = reply["memory_growth"]

    def end(self):
        report = self.ask("end")
        self.process.wait()
        report["memory_growth"] = self.growth
        return report | {f"{what}_seconds": taken for what, taken in self.samples.items()}


def start(given, folder, fusion, threads):
    """The sides by name."""
    trimodal = [BUILD / "bench/models", "--worker", "-m", f"trimodal-{fusion}", "-t", threads]
    torch = [sys.executable, PEERS / "trimodal_torch.py", folder, fusion, threads]
    sides = {"tern": Worker(trimodal), "PyTorch": Worker(torch, KEEP_MEMORY)}
    if not given.no_compile:
        sides["compiled"] = Worker(torch + ["--compile"], KEEP_MEMORY)
    return sides


def measure(given, folder, fusion, threads, order):
    sides = start(given, folder, fusion, threads)
    for side in sides.values():  # sets up, warms up, and may take a minute to compile
        side.ask("train 1"), side.ask("infer 1")
    for _ in range(given.rounds):
        for side in order.sample(list(sides.values()), len(sides)):
            side.time("train", given.steps)
            side.time("infer", given.steps * INFERENCES_PER_STEP)
    found = {name: side.end() for name, side in sides.items()}
    return {"fusion": fusion, "threads": threads} | found


def quantile(samples, q):
    ordered = sorted(samples)
    at = q * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])


def time_line(row, what, sides):
    """Medians and quartiles in milliseconds, and how many times longer PyTorch takes."""
    text, key = f"{row['fusion']:10} {row['threads']:3}  {what:5}", f"{what}_seconds"
    ours = quantile(row["tern"][key], 0.5)
    for side in sides:
        low, middle, high = (1e3 * quantile(row[side][key], q) for q in (0.25, 0.5, 0.75))
        text += f"  {middle:8.2f} [{low:7.2f} ..{high:8.2f}]"
        if side != "tern":
            text += f" {middle / 1e3 / ours:5.2f}"
    return text


def memory_line(row, sides):
    text, ours = f"{row['fusion']:10} {row['threads']:3}  ", row["tern"]["memory_growth"]
    for side in sides:
        growth = row[side]["memory_growth"]
        text += f"  {growth / 2**20:8.1f}"
        text += f" {growth / ours:5.2f}" if side != "tern" else ""
    return text


def cpu_name():
    fields = dict(
        line.split(":", 1) for line in open("/proc/cpuinfo").read().split("\n\n")[0].splitlines()
    )
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    return f"{fields['model name']}, family {fields['cpu family']} model {fields['model']}"


def commit():
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=PEERS
    )
    return found.stdout.strip() or "unknown"


def report(rows, given, load_before):
    sides = ["tern", "PyTorch"] + ([] if given.no_compile else ["compiled"])
    first = rows[0]
    torch_version = version("torch")
    lines = [
        f"Trimodal classifiers: tern beside PyTorch, {datetime.date.today()}",
        "",
        f"{cpu_name()}; {len(os.sched_getaffinity(0))} cores; {platform.system()}"
        f" {platform.release()}",
        f"tern {commit()}, SIMD level {first['tern']['simd']}; PyTorch {torch_version}, Python"
        f" {platform.python_version()}",
        f"load {load_before:.2f} before, {os.getloadavg()[0]:.2f} after",
        f"repeat: {' '.join(['bench/peers/run', *sys.argv[1:]])}",
        "",
        "train: a step of batch 16 (8 frames of 64x64x3, log-mel of 3 s, 32 tokens), dropout 0.1,",
        "clipping, AdamW.  infer: batch 1.  Milliseconds: median [quartiles], hot; n ="
        f" {len(first['tern']['train_seconds'])} steps,",
        f"{len(first['tern']['infer_seconds'])} inferences, in {given.rounds} rounds by turns."
        "  x: times tern's median.  compiled: torch.compile.",
        "PyTorch: channels_last, fused AdamW and attention, no masks, glibc keeps freed memory.",
        "",
        f"{'fusion':10} {'thr':3}  {'what':5}  {'tern':>29}"
        + "".join(f"  {side:>29}     x" for side in sides[1:]),
    ]
    for row in rows:
        lines += [time_line(row, what, sides) for what in ("train", "infer")]
    lines += [
        "",
        "Memory growth of the process in MiB: the most resident while training, less what was",
        "before the model was made; of compiled it includes the compiler's.",
        "",
        f"{'fusion':10} {'thr':3}    {'tern':>8}" + "".join(f"  {s:>8}     x" for s in sides[1:]),
    ]
    lines += [memory_line(row, sides) for row in rows]
    lines += [
        "",
        "Largest distance from tern's values, as a part of the largest: logits before training,",
        "the first losses without dropout, logits after those steps.",
        "",
    ]
    names = ("logits_before", "losses", "logits_after")
    for row in rows:
        for side in sides[1:]:
            off = row[side]["away_from_tern"]
            lines.append(
                f"{row['fusion']:10} {row['threads']:3}  {side:8}  "
                + "  ".join(f"{off[name]:.1e}" for name in names)
            )
    return "\n".join(lines) + "\n"


def parse():
    arguments = argparse.ArgumentParser(prog="bench/peers/run")
    arguments.add_argument("--rounds", type=int, default=8, help="turns of every side (8)")
    arguments.add_argument("--steps", type=int, default=5, help="training steps a turn (5)")
    arguments.add_argument("--threads", default="1,2", help="numbers of threads (1,2)")
    arguments.add_argument("--fusions", default=",".join(FUSIONS))
    arguments.add_argument("--no-compile", action="store_true", help="leave out torch.compile")
    arguments.add_argument("--report", type=pathlib.Path, help="also write the tables there")
    arguments.add_argument("--json", type=pathlib.Path, help="also write all samples there")
    return arguments.parse_args()


def main():
    given = parse()
    folder = BUILD / "peers-work"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([BUILD / "bench/models", "--save", folder], check=True)
    load, order = os.getloadavg()[0], random.Random(1)
    rows = [
        measure(given, folder, fusion, int(threads), order)
        for fusion in given.fusions.split(",")
        for threads in given.threads.split(",")
    ]
    text = report(rows, given, load)
    print(text, end="")
    if given.report:
        given.report.write_text(text)
    if given.json:
        given.json.write_text(json.dumps(rows))


main()
