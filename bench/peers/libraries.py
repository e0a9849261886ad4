"""Which kernels the libraries in PyTorch take on this CPU, as they name them, and how fast they
are with and without what bench/peers/peer preloads: one line.

    bench/peers/peer libraries
"""
import os
import re
import subprocess
import sys

# The rate of a product of 1024x1024 matrices on one thread.
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
# One product for MKL, and one small convolution for oneDNN.
NAMES = SGEMM.replace("range(20)", "range(1)")
NAMES += "torch.conv2d(a[None, None], b[None, None, :3, :3])"


def torch_says(code, environment):
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=environment).stdout


def sgemm(environment):
    found = re.search(r"^sgemm (\S+)", torch_says(SGEMM, environment), re.M)
    return float(found[1]) if found else 0.0


def shortened(name):
    return re.sub(r" with .*|Intel(\(R\))? ", "", name)


def libraries():
    loud = os.environ | {"MKL_VERBOSE": "1", "ONEDNN_VERBOSE": "1"}
    said = torch_says(NAMES, loud)
    mkl = re.search(r"^MKL_VERBOSE (oneMKL.*?) Product.*?64 architecture (.*?),? Lnx", said, re.M)
    onednn = re.search(r"cpu,isa:(.*)", said)
    bare = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    return [
        f"{mkl[1]}: {shortened(mkl[2])}" if mkl else "MKL unknown",
        f"oneDNN: {shortened(onednn[1]) if onednn else 'unknown'}",
        f"sgemm 1024 on 1 thread {sgemm(os.environ):.0f} GFLOP/s, as it is installed"
        f" {sgemm(bare):.0f}",
    ]


print("; ".join(libraries()))
