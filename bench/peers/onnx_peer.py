"""onnxruntime as a peer of `tern bench`, at its best: inference of whole models only.

    python bench/peers/onnx_peer.py

The graph is PyTorch's export, made in another process and kept.  It is optimised as far
as onnxruntime goes, and inputs are bound once, so that nothing is copied in.
"""
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import onnxruntime
from safetensors.numpy import load_file, save_file

from serve import Cannot, clocked, forget_peak, resident_bytes, serve

PEERS = pathlib.Path(__file__).parent
FOLDER = pathlib.Path(os.environ["TERN_PEERS_FOLDER"])
threads = 1


def tensor_names(path):
    """In the order of the file, as the model takes them."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return sorted(header, key=lambda name: header[name]["data_offsets"])


def first_row(path):
    batch = load_file(path)
    row = {key: batch[key][:1] for key in tensor_names(path) if key != "label"}
    row = {k: x.astype(np.int64) if x.dtype == np.int32 else x for k, x in row.items()}
    return {key: np.ascontiguousarray(x) for key, x in row.items()}


def graph_of(question):
    """The model's graph with these weights; exported the first time."""
    weights = hashlib.sha256(pathlib.Path(question["weights"]).read_bytes()).hexdigest()
    path = FOLDER / "onnx" / f"{question['model']}-{weights[:16]}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partly = path.with_suffix(".part.onnx")
        command = [sys.executable, PEERS / "torch_peer.py", "--export", json.dumps(question)]
        subprocess.run([*command, partly], check=True, stdout=sys.stderr)
        partly.rename(path)
    return path


class Model:
    def __init__(self, question):
        if "op" in question:
            raise Cannot("onnxruntime times whole models")
        if question["pass"] != "infer":
            raise Cannot("onnxruntime infers")
        graph, self.row = graph_of(question), first_row(question["batch"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.resident_before, self.timed = resident_bytes(), False
        self.session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self.bound = self.bind(self.row)

    def bind(self, row):
        bound = self.session.io_binding()
        for key, value in row.items():
            bound.bind_ortvalue_input(key, onnxruntime.OrtValue.ortvalue_from_numpy(value))
        bound.bind_output("logits")
        return bound

    def infer(self):
        self.session.run_with_iobinding(self.bound)
        return self.bound.get_outputs()[0].numpy()

    def check(self, question):
        held = self.bound
        self.bound = self.bind(first_row(question["batch"]))
        save_file({"logits": self.infer().copy()}, f"{question['into']}.results.safetensors")
        self.bound, self.timed = held, False

    def step(self, cold):
        if not self.timed:
            forget_peak()
            self.timed = True
        self.found, seconds = clocked(self.infer)
        return seconds

    def finite(self):
        return bool(np.isfinite(self.found).all())

    def growth(self):
        return resident_bytes("VmHWM") - self.resident_before


def start(count):
    global threads
    threads = count
    return {"about": f"onnxruntime {onnxruntime.__version__}"}


serve(start, Model)
