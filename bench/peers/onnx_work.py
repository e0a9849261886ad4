"""A model of build/bench/models in onnxruntime, at its best: inference only.

    python bench/peers/onnx_work.py FOLDER MODEL THREADS

FOLDER/MODEL.onnx is torch_work.py's.  The graph is optimised as far as onnxruntime goes,
and inputs are bound once, so that nothing is copied in.  Commands: serve.py.
"""
import json
import pathlib
import struct
import sys

import numpy as np
import onnxruntime
from safetensors.numpy import load_file

from serve import demand, distance, resident_bytes, serve

TOLERANCE = 1e-5


def tensor_names(path):
    """In the order of the file, as the model takes them."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return sorted(header, key=lambda name: header[name]["data_offsets"])


class Work:
    def __init__(self, folder, name, threads):
        path = folder / f"{name}.batch.safetensors"
        batch = load_file(path)
        self.wanted = load_file(folder / f"{name}.steps.safetensors")["logits_before"][:1]
        row = {key: batch[key][:1] for key in tensor_names(path) if key != "label"}
        row = {k: x.astype(np.int64) if x.dtype == np.int32 else x for k, x in row.items()}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.resident_before = resident_bytes()
        self.session = onnxruntime.InferenceSession(
            folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"]
        )
        self.bound = self.session.io_binding()
        for key, value in row.items():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value))
            self.bound.bind_ortvalue_input(key, value)
        self.bound.bind_output("logits")
        self.steps = {"infer": self.infer}

    def infer(self):
        self.session.run_with_iobinding(self.bound)
        return self.bound.get_outputs()[0].numpy()

    def check(self, mode):
        off = distance(self.infer(), self.wanted)
        demand("logits_before", off, TOLERANCE)
        return {"away": {"logits_before": off}}

    def known(self):
        return {}


folder, name, threads = sys.argv[1:]
serve(lambda: Work(pathlib.Path(folder), name, int(threads)))
