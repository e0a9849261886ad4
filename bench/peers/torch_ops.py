"""tern's ops in PyTorch: the same inputs, in tern's layouts, by the ops PyTorch runs fastest.

Each function takes the inputs by tern's names (`tern ops NAME`) and the options, and gives the
outputs in the order in which tern has them.
"""
import math
import os
import pathlib
import random

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from serve import Cannot, clocked

CHANGES = 4  # pairs of elements that change places before each run
ACTIVATIONS = {
    "none": lambda x: x, "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
    "gelu": F.gelu,
}


def matmul(x, options):
    a = x["a"].mT if options.flag("transpose_a") else x["a"]
    return torch.matmul(a, x["b"].mT if options.flag("transpose_b") else x["b"])


def linear(x, options):
    return options.activation(F.linear(x["x"], x["weight"], x.get("bias")))


def conv2d(x, options):
    """NHWC and OHWI are PyTorch's channels_last, so that permuting them costs nothing."""
    image, weight = x["x"].permute(0, 3, 1, 2), x["weight"].permute(0, 3, 1, 2)
    stride, pad, dilation = options.pair("stride", 1), options.pair("pad", 0), options.pair("dilation", 1)
    y = F.conv2d(image, weight, x.get("bias"), stride, pad, dilation, options.number("groups", 1))
    return options.activation(y).permute(0, 2, 3, 1)


def layer_norm(x, options):
    size = x["x"].shape[-1:]
    return F.layer_norm(x["x"], size, x.get("gain"), x.get("bias"), options.real("eps", 1e-5))


def softmax(x, options):
    y = x["x"] if "mask" not in x else x["x"].masked_fill(~x["mask"], -math.inf)
    return torch.softmax(y, -1)


def attention(x, options):
    heads, causal = options.number("heads", 1), options.flag("causal")
    q, k, v = (x[name].unflatten(-1, (heads, -1)).transpose(1, 2) for name in "qkv")
    mask = x["key_mask"][:, None, None, :] if "key_mask" in x else None
    if "bias" in x:
        mask = x["bias"] if mask is None else x["bias"].masked_fill(~mask, -math.inf)
    if "query_mask" in x or (causal and (mask is not None or q.shape[2] != k.shape[2])):
        raise Cannot("attention with these masks is no single op of PyTorch")
    if options.real("dropout", 0) or options.flag("return_weights"):
        raise Cannot("dropout and weights of attention are not comparable")
    scale = options.real("scale", 0) or None
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=scale)
    return y.transpose(1, 2).flatten(2)


def lstm(x, options):
    if options.flag("reverse"):
        raise Cannot("torch.lstm runs backwards only beside forwards")
    weights = [x[name] for name in ("w_ih", "w_hh", "b_ih", "b_hh") if name in x]
    if len(weights) == 3:
        raise Cannot("torch.lstm has two biases or none")
    size = x["w_hh"].shape[1]
    zero = x["x"].new_zeros(1, len(x["x"]), size)
    state = [x[name][None] if name in x else zero for name in ("h0", "c0")]
    rest = weights, len(weights) == 4, 1, 0.0, True, False
    if "lengths" not in x:
        y, h, c = torch.lstm(x["x"], state, *rest, True)
        return y, h[0], c[0]
    packed = pack_padded_sequence(x["x"], x["lengths"], batch_first=True, enforce_sorted=False)
    state = [part.index_select(1, packed.sorted_indices) for part in state]
    y, h, c = torch.lstm(packed.data, packed.batch_sizes, state, *rest)
    packed = packed._replace(data=y)
    y, _ = pad_packed_sequence(packed, batch_first=True, total_length=x["x"].shape[1])
    return y, *(part.index_select(1, packed.unsorted_indices)[0] for part in (h, c))


OPS = {
    "matmul": (matmul, ["y"]), "linear": (linear, ["y"]), "conv2d": (conv2d, ["y"]),
    "layer_norm": (layer_norm, ["y"]), "softmax": (softmax, ["y"]),
    "attention": (attention, ["y"]), "lstm": (lstm, ["y", "h_n", "c_n"]),
}


class Options:
    """"pad=1,1 activation=relu"; what no function asked for by name is not understood."""

    def __init__(self, text):
        self.texts = dict(word.split("=", 1) for word in text.split())
        self.asked = set()

    def text(self, name, default):
        self.asked.add(name)
        return self.texts.get(name, default)

    def flag(self, name):
        return self.text(name, "false") == "true"

    def number(self, name, default):
        return int(self.text(name, default))

    def real(self, name, default):
        return float(self.text(name, default))

    def pair(self, name, default):
        numbers = [int(number) for number in str(self.text(name, default)).split(",")]
        return numbers if len(numbers) == 2 else 2 * numbers

    @property
    def activation(self):
        return ACTIVATIONS[self.text("activation", "none")]


def bytes_of_caches():
    """Of the first core's level 2 and 3."""
    total = 0
    for path in pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index[23]/size"):
        text = path.read_text().strip()
        total += int(text[:-1]) * {"K": 2**10, "M": 2**20, "G": 2**30}[text[-1]]
    return total or 2**27


class Op:
    def __init__(self, question):
        if question["op"] not in OPS:
            raise Cannot(f"bench/peers/torch_ops.py has no {question['op']}")
        self.function, self.names = OPS[question["op"]]
        self.options, self.passed = Options(question["options"]), question["pass"]
        self.wanted = question["gradients"] if self.passed != "fwd" else []
        self.random, self.swept = random.Random(5), None
        self.inputs, self.seeds = self.read(question["inputs"])
        self.run(self.inputs, self.seeds)
        unknown = set(self.options.texts) - self.options.asked
        if unknown:
            raise Cannot(f"bench/peers/torch_ops.py does not know {', '.join(unknown)}")

    def read(self, path):
        """The inputs as leaves, and what flows back through the outputs."""
        inputs = load_file(path)
        seeds = {name: inputs.pop(f"grad_output.{name}", None) for name in self.names}
        for name, x in inputs.items():
            inputs[name] = x.bool() if x.dtype == torch.uint8 else x
            x.requires_grad_(name in self.wanted)
        if "lengths" in inputs:
            inputs["lengths"] = inputs["lengths"].long()
        return inputs, seeds

    def forward(self, inputs):
        found = self.function(inputs, self.options)
        return dict(zip(self.names, found if isinstance(found, tuple) else (found,)))

    def run(self, inputs, seeds, cold=False):
        """The results, and the seconds of what the pass counts."""
        self.results = None
        for x in inputs.values():
            x.grad = None
        if self.passed == "fwd":
            with torch.inference_mode():
                self.flush(cold)
                self.results, seconds = clocked(lambda: self.forward(inputs))
            return seconds
        self.flush(cold and self.passed == "both")
        results, seconds = clocked(lambda: self.forward(inputs))
        ends = [name for name in self.names if seeds[name] is not None]
        outputs, flows = [results[name] for name in ends], [seeds[name] for name in ends]
        self.flush(cold and self.passed == "bwd")
        _, backward_seconds = clocked(lambda: torch.autograd.backward(outputs, flows))
        self.results = {name: x.detach() for name, x in results.items()}
        return backward_seconds + (seconds if self.passed == "both" else 0)

    def change(self):
        """No run has the very inputs of the one before."""
        for x in self.inputs.values():
            flat = x.detach().view(-1)
            for _ in range(CHANGES if len(flat) > 1 else 0):
                i, j = (self.random.randrange(len(flat)) for _ in range(2))
                held = flat[i].clone()
                flat[i], flat[j] = flat[j].clone(), held

    @staticmethod
    def cold():
        mib = 2 * bytes_of_caches() >> 20
        return f"1 is added to {mib} MiB by all threads, twice the caches of a core"

    def flush(self, cold):
        if cold and self.swept is None:
            self.swept = torch.zeros(2 * bytes_of_caches() // 4)
        if cold:
            self.swept.add_(1)

    def step(self, cold):
        self.change()
        return self.run(self.inputs, self.seeds, cold)

    def finite(self):
        found = list(self.results.values()) + [self.inputs[name].grad for name in self.wanted]
        return all(bool(torch.isfinite(x).all()) for x in found)

    def growth(self):
        return None

    def check(self, question):
        inputs, seeds = self.read(question["inputs"])
        self.run(inputs, seeds)
        found = {f"output.{name}": x for name, x in self.results.items()}
        found |= {f"gradient.{name}": inputs[name].grad for name in self.wanted}
        found = {name: x.contiguous().clone() for name, x in found.items()}
        save_file(found, f"{question['into']}.results.safetensors")
