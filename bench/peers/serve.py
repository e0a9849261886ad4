"""The side of bench/process/peer.h that every peer has: questions in, answers out, the clock.

A problem has
    check(question)   compute once from other values and write the files that are asked for
    step(cold)        one run; the seconds it took
    finite()          whether the last run's results are numbers
    growth()          the bytes by which the process has grown; None of ops
Making one may raise Cannot.
"""
import ctypes
import gc
import json
import sys
import time


class Cannot(Exception):
    """A problem that this peer leaves out, and why."""


def resident_bytes(key="VmRSS"):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(key))


def forget_peak():
    """What loading and checking took goes back, and does not count as the model's."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def clocked(function):
    """What it returns, and the seconds it took."""
    start = time.perf_counter()
    found = function()
    return found, time.perf_counter() - start


def run(problem, count, warm_up_seconds, cold):
    until = time.perf_counter() + warm_up_seconds
    problem.step(False)
    while time.perf_counter() < until:
        problem.step(False)
    seconds, left_out = [], 0
    for _ in range(count):
        seconds.append(problem.step(cold))
        left_out += not problem.finite()
    reply = {"seconds": seconds, "left_out": left_out}
    growth = problem.growth()
    return reply if growth is None else reply | {"memory_growth": max(growth, 0)}


def answer(reply):
    print(json.dumps(reply), file=answers, flush=True)


def serve(start, make):
    """start(threads): what is answered to it; make(question): the problem."""
    problem = None
    try:
        for line in sys.stdin:
            question = json.loads(line)
            what = question.pop("do")
            if what == "end":
                return
            if what == "start":
                answer(start(question["threads"]))
            elif what == "open":
                try:
                    problem = make(question)
                    answer({})
                except Cannot as cannot:
                    answer({"cannot": str(cannot)})
            elif what == "check":
                problem.check(question)
                answer({})
            elif what == "run":
                answer(run(problem, **question))
            elif what == "close":
                problem = None
                answer({})
            else:
                raise ValueError(f"there is nothing to do for {what}")
    except Exception as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        answer({"error": text})
        raise SystemExit(1) from error


# What libraries print must not come between the answers.
answers, sys.stdout = sys.stdout, sys.stderr
