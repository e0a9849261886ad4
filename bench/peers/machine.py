"""What a reader of timings wants to know about the machine, and what could fool them."""
import glob
import json
import os
import pathlib
import platform
import re
import resource
import subprocess
import sys
import time
from importlib.metadata import version

PEERS = pathlib.Path(__file__).parent

# The rate of a product of 1024x1024 matrices on one thread, and one small convolution so
# that oneDNN says which instructions it takes.
SGEMM = """
import time, torch
torch.set_num_threads(1)
a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
best = 1.0
for _ in range(20):
    start = time.perf_counter()
    a @ b
    best = min(best, time.perf_counter() - start)
print("sgemm", 2 * 1024**3 / best / 1e9)
"""
NAMES = SGEMM.replace("range(20)", "range(1)")
NAMES += "torch.conv2d(a[None, None], b[None, None, :3, :3])"


def cpu_fields():
    first = open("/proc/cpuinfo").read().split("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, value in (line.split(":", 1) for line in first)}


def is_intel():
    return cpu_fields().get("vendor_id") == "GenuineIntel"


def governor():
    files = glob.glob("/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
    return "/".join(sorted({open(file).read().strip() for file in files})) or "not shown"


def commit():
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=PEERS
    )
    return found.stdout.strip() or "unknown"


def torch_says(code, environment):
    command = [sys.executable, "-W", "ignore", "-c", code]
    environment = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, env=environment).stdout


def torch_sgemm(environment):
    found = re.search(r"^sgemm (\S+)", torch_says(SGEMM, environment), re.M)
    return float(found[1]) if found else 0.0


def shortened(name):
    return re.sub(r" with .*|Intel(\(R\))? ", "", name)


def torch_libraries(environment):
    """How MKL and oneDNN name what they make of this CPU."""
    said = torch_says(NAMES, environment | {"MKL_VERBOSE": "1", "ONEDNN_VERBOSE": "1"})
    mkl = re.search(r"^MKL_VERBOSE (oneMKL.*?) Product.*?64 architecture (.*?),? Lnx", said, re.M)
    onednn = re.search(r"cpu,isa:(.*)", said)
    return {
        "mkl": f"{mkl[1]}: {shortened(mkl[2])}" if mkl else "unknown",
        "onednn": shortened(onednn[1]) if onednn else "unknown",
    }


def kernel_rows(build):
    """Products and convolutions of tern beside the FMA peak of the same run."""
    asked = [
        ["matmul", "--inputs", "a=[n,n] b=[n,n]", "--shape", "n=512,1024", "--threads", "1,2"],
        ["conv2d", "--pass", "fwd,bwd", "--threads", "2"],
    ]
    rows, kept = [], build / "peers-work/kernels.json"
    for one in asked:
        command = [build / "tern", "bench", *one, "--provider", "hand", "--cache", "hot"]
        command += ["--out", kept]
        subprocess.run(command, capture_output=True)  # its verdicts are in the file
        rows += json.loads(kept.read_text())["rows"]
    return rows


def facts(build, torch_environment):
    fields = cpu_fields()
    return torch_libraries(torch_environment) | {
        "cpu": f"{fields['model name']}, family {fields['cpu family']} model {fields['model']}",
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "tern": commit(),
        "torch": version("torch"),
        "onnxruntime": version("onnxruntime"),
        "governor": governor(),
        "kernels": kernel_rows(build),
        "torch_sgemm": torch_sgemm(torch_environment),
        "torch_sgemm_installed": torch_sgemm({}),
    }


class Usage:
    """What all cores have done so far, in seconds: busy, stolen by the host; and how much
    of it this program and its ended children did."""

    def __init__(self):
        ticks = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
        user, nice, system, _, _, irq, softirq, steal = ticks
        hertz = os.sysconf("SC_CLK_TCK")
        self.at, self.load = time.monotonic(), os.getloadavg()[0]
        self.busy = (user + nice + system + irq + softirq) / hertz
        self.stolen = steal / hertz
        self.ours = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            used = resource.getrusage(who)
            self.ours += used.ru_utime + used.ru_stime

    def since(self, before):
        """The parts of all cores' time that others used and that the host took away."""
        time_of_all = (self.at - before.at) * os.cpu_count()
        others = self.busy - before.busy - (self.ours - before.ours)
        return {
            "load_before": before.load,
            "load_after": self.load,
            "others": max(others / time_of_all, 0.0),
            "stolen": (self.stolen - before.stolen) / time_of_all,
            "minutes": (self.at - before.at) / 60,
        }
