"""A process that times one model when and as often as it is told: bench/workload/worker.h.

Work has `steps`, a dictionary from mode ("infer", "train") to a function that makes one
step; `check(mode)`, which holds results against tern's and returns {"away": {name: distance}};
`known()`, what else is to be told; and `resident_before`, the bytes in memory before the
model was made.
"""
import json
import sys
import time


def resident_bytes(key="VmRSS"):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(key))


def timed(work, mode, count):
    step = work.steps[mode]
    step()
    samples = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        samples.append(time.perf_counter() - start)
    growth = resident_bytes("VmHWM") - work.resident_before
    return {"seconds": samples, "memory_growth": growth}


def answer(reply):
    print(json.dumps(reply), flush=True)


def serve(make_work):
    """check MODE, infer N, train N, end; an error is answered and ends the process."""
    try:
        work = make_work()
        for line in sys.stdin:
            command, *arguments = line.split()
            if command == "end":
                return answer(work.known())
            if command == "check":
                answer(work.check(arguments[0]))
            else:
                answer(timed(work, command, int(arguments[0])))
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}".splitlines()[0]})


def distance(found, wanted):
    """The largest difference as a part of the largest value; anything but a number is far."""
    off = (abs(found - wanted).max() / abs(wanted).max()).item()
    return off if off == off else float("inf")


def demand(name, off, tolerance):
    if not off <= tolerance:
        raise ValueError(f"{name} is {off:.2g} of the largest away from tern's, not {tolerance:g}")
