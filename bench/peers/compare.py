"""Time the models of build/bench/models beside PyTorch and onnxruntime.

    bench/peers/run [--rounds N] [--threads 1,2] [--models cnn,...] [--modes infer,train]
                    [--no-compile] [--report FILE] [--json FILE]

For each model and number of threads one process of each side is started: tern; PyTorch
eager, compiled and, for inference, traced; onnxruntime for inference.  Before anything is
timed each holds its results against tern's, from tern's weights, and tern computes logits
from the weights that PyTorch has trained; a side that differs is not timed.  In every
round each is told in random order to run for a moment while the others wait.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

import machine
import report

PEERS = pathlib.Path(__file__).parent
BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
FOLDER = BUILD / "peers-work"
TERN = BUILD / "bench/models"
MODELS = ["cnn", "lstm", "transformer", "crossmodal"]
MODELS += ["trimodal-concat", "trimodal-attention", "trimodal-crossmodal"]
# PyTorch is faster when glibc keeps freed memory rather than giving it back at every step.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
# The MKL in PyTorch's wheels takes its AVX2 and AVX-512 kernels only where these functions
# of its own say that the CPU is Intel's; elsewhere it takes its oldest, two and a half
# times slower than need be, and a win over it would be no win.  Preloaded, this lets it
# choose by what the CPU can do.
MKL_SHIM = """int mkl_serv_intel_cpu_true(void) { return 1; }
int mkl_serv_intel_cpu(void) { return 1; }
"""
TURN_SECONDS = {"infer": 0.15, "train": 0.6}
REST_SECONDS = 0.01  # threads that spin for more work fall asleep before another's turn
READ_BACK = 1e-5  # tern's logits from PyTorch's trained weights, as a part of the largest


class Refused(Exception):
    """A process could not do its work, or its results are not tern's."""


class Worker:
    """A process that answers commands; see bench/workload/worker.h and serve.py."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(FOLDER / "errors.txt", "a"),
            text=True,
            env=os.environ | environment,
        )
        self.samples = {"infer": [], "train": []}
        self.growth, self.count = {}, {}

    def send(self, command):
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # why is told by the last line it wrote

    def receive(self):
        line = self.process.stdout.readline()
        reply = json.loads(line) if line else {"error": f"it ended; see {FOLDER}/errors.txt"}
        if "error" in reply:
            raise Refused(reply["error"])
        return reply

    def ask(self, command):
        self.send(command)
        return self.receive()

    def calibrate(self, mode):
        """Warm up, and find how many steps make a turn."""
        step = statistics.median(self.ask(f"{mode} 3")["seconds"])
        self.count[mode] = min(max(int(TURN_SECONDS[mode] / step), 2), 500)

    def turn(self, mode):
        time.sleep(REST_SECONDS)
        reply = self.ask(f"{mode} {self.count[mode]}")
        self.samples[mode] += reply["seconds"]
        self.growth[mode] = reply["memory_growth"]

    def end(self):
        try:
            self.send("end")
            return json.loads(self.process.communicate()[0].splitlines()[-1])
        except (IndexError, ValueError, BrokenPipeError):
            return {}  # it had ended before


# ------------------------------------------------------------------ sides --


def torch_environment():
    shim = {"LD_PRELOAD": str((FOLDER / "mkl.so").absolute())} if not machine.is_intel() else {}
    return KEEP_MEMORY | shim | {"TORCHINDUCTOR_CACHE_DIR": str((FOLDER / "inductor").absolute())}


def torch_command(name, threads, form):
    return [sys.executable, PEERS / "torch_work.py", FOLDER, name, threads, form]


def commands(given, name, threads):
    """Each side's command and environment."""
    found = {"tern": ([TERN, "--worker", "-m", name, "-t", threads], {})}
    for form in ["eager", "traced"] + ["compiled"] * given.compile:
        found[form] = (torch_command(name, threads, form), torch_environment())
    onnx = [sys.executable, PEERS / "onnx_work.py", FOLDER, name, threads]
    found["onnxruntime"] = (onnx, {})
    return found


def takes_part(side, mode, name):
    """Compiling the trimodal models takes minutes each; eager trained faster, and traced
    answers as fast (once measured)."""
    if side == "compiled":
        return not name.startswith("trimodal")
    return mode == "infer" or side in ("tern", "eager")


def prepare(given):
    """tern's files, ONNX graphs, what torch.compile compiles: all before the first timing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "errors.txt").write_text("")
    for name in given.models:
        subprocess.run([TERN, "--save", FOLDER, "-m", name], check=True)
    compile_shim = ["cc", "-shared", "-fPIC", "-o", FOLDER / "mkl.so", "-x", "c", "-"]
    subprocess.run(compile_shim, check=True, text=True, input=MKL_SHIM)
    export = [sys.executable, PEERS / "torch_work.py", FOLDER, ",".join(given.models), "--export"]
    with open(FOLDER / "errors.txt", "a") as errors:
        subprocess.run(export, check=True, stdout=errors, stderr=errors)
    for name in given.models if given.compile else []:
        if takes_part("compiled", "infer", name):
            compile_ahead(name, given)


def compile_ahead(name, given):
    """So that the processes which are timed find it in torch.compile's cache."""
    workers = [
        Worker(torch_command(name, threads, "compiled"), torch_environment())
        for threads in given.threads
    ]
    for mode in given.modes:
        for worker in workers:
            worker.send(f"{mode} 1")
    for worker in workers:
        worker.end()


# ---------------------------------------------------------------- measure --


def read_back(tern, reply):
    """tern's logits from the peer's trained weights, as far as they are from the peer's."""
    ours, theirs = tern.ask(f"logits {reply['trained']}")["logits"], reply["logits"]
    farthest = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    off = farthest / max(abs(value) for value in theirs)
    if not off <= READ_BACK:
        raise Refused(f"from its weights tern's logits are {off:.2g} of the largest away")
    return off


def check(sides, mode, row):
    """Drop the sides whose results are not tern's; the others' distances go into row."""
    peers = [name for name in sides if name != "tern"]
    for name in peers:
        sides[name].send(f"check {mode}")
    for name in peers:
        try:
            reply = sides[name].receive()
            row["away"].setdefault(name, {}).update(reply["away"])
            if "trained" in reply:
                row["away"][name]["read_back"] = read_back(sides["tern"], reply)
        except Refused as refused:
            row["refused"][name] = str(refused)
            sides.pop(name).end()


def measure(given, name, threads, order):
    row = {"model": name, "threads": threads, "sides": {}, "away": {}, "refused": {}}
    sides = {
        side: Worker(*command)
        for side, command in commands(given, name, threads).items()
        if takes_part(side, given.modes[0], name)
    }
    kept = dict(sides)
    for mode in given.modes:
        for side in [side for side in sides if not takes_part(side, mode, name)]:
            row["sides"][side] = finish(sides.pop(side))
        check(sides, mode, row)
        for side in sides.values():
            side.calibrate(mode)
        for _ in range(given.rounds):
            for side in order.sample(list(sides.values()), len(sides)):
                side.turn(mode)
    row["sides"] |= {name: finish(side) for name, side in sides.items()}
    row["sides"] = {name: row["sides"][name] for name in kept if name in row["sides"]}
    return row


def finish(worker):
    return worker.end() | {"seconds": worker.samples, "memory_growth": worker.growth}


def parse():
    arguments = argparse.ArgumentParser(prog="bench/peers/run")
    listed = {"type": lambda text: text.split(",")}
    arguments.add_argument("--rounds", type=int, default=8, help="turns of every side (8)")
    arguments.add_argument("--threads", **listed, default=["1", "2"], help="1,2")
    arguments.add_argument("--models", **listed, default=MODELS, help=",".join(MODELS))
    arguments.add_argument("--modes", **listed, default=["infer", "train"], help="infer,train")
    arguments.add_argument("--no-compile", dest="compile", action="store_false")
    arguments.add_argument("--report", type=pathlib.Path, help="also write the table there")
    arguments.add_argument("--json", type=pathlib.Path, help="also write all samples there")
    return arguments.parse_args()


def compare(given):
    prepare(given)
    facts = machine.facts(BUILD, torch_environment())
    before, order = machine.Usage(), random.Random(1)
    rows = [
        measure(given, name, int(threads), order)
        for name in given.models
        for threads in given.threads
    ]
    facts |= machine.Usage().since(before)
    text = report.report(rows, facts, given.rounds, " ".join(["bench/peers/run", *sys.argv[1:]]))
    print(text, end="")
    if given.report:
        given.report.write_text(text)
    if given.json:
        given.json.write_text(json.dumps({"facts": facts, "rows": rows}))
    return any(row["refused"] for row in rows)


try:
    sys.exit(compare(parse()))
except Refused as refused:
    sys.exit(f"a process that had begun to be timed: {refused}")
