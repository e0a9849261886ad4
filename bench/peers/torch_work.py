"""The work of build/bench/models in PyTorch, at its best.

    python bench/peers/torch_work.py FOLDER MODEL THREADS FORM
    python bench/peers/torch_work.py FOLDER MODEL,... --export

FOLDER holds what `build/bench/models --save FOLDER` wrote.  FORM is eager; compiled
(torch.compile; for inference with frozen weights); or traced (torch.jit, frozen and
optimised for inference, which is all it can do).  The process takes the commands of
serve.py.  --export writes FOLDER/MODEL.onnx of each model instead.
"""
import argparse
import pathlib
import warnings

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from serve import demand, distance, resident_bytes, serve
from torch_models import make
from torch_trimodal import DROPOUT

# float32 in another order.  Gradients at ReLUs and maxima near their kinks go either way,
# and AdamW's first steps divide small gradients by themselves.
TOLERANCES = {"logits_before": 1e-5, "gradients": 5e-3, "losses": 1e-2, "logits_after": 5e-2}


def load_lazy_parts():
    """A tiny model takes a step, so that what PyTorch loads at first use (the compiler
    behind its optimisers, oneDNN) does not count as memory of the model that is timed."""
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Flatten(), torch.nn.Linear(8, 2)
    )
    model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    F.cross_entropy(model(torch.zeros(2, 1, 3, 3)), torch.tensor([0, 1])).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()


def groups(module, decay):
    """Biases, norms, embeddings and the queries of pooling do not decay."""
    tables = ("embedding.weight", "position.weight")
    decays = {True: [], False: []}
    for name, parameter in module.named_parameters():
        decays[parameter.ndim > 1 and not name.endswith(tables)].append(parameter)
    return [
        {"params": decays[True], "weight_decay": decay},
        {"params": decays[False], "weight_decay": 0.0},
    ]


class Files:
    """What tern wrote about one model."""

    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        with safe_open(self.path("batch"), "pt") as file:
            self.options = {key: float(value) for key, value in file.metadata().items()}
            batch = {key: file.get_tensor(key) for key in file.offset_keys()}
        self.label = batch.pop("label").long()
        self.names = list(batch)
        self.inputs = [x.long() if x.dtype == torch.int32 else x for x in batch.values()]
        self.row = tuple(x[:1] for x in self.inputs)

    def path(self, what):
        return self.folder / f"{self.name}.{what}.safetensors"

    def model(self):
        """The model, and the module that holds its parameters."""
        model, module = make(self.name, self.options, self.inputs)
        module.load_state_dict(load_file(self.path("weights")))
        return model.to(memory_format=torch.channels_last), module


class Work:
    def __init__(self, files, form):
        self.files, self.form = files, form
        self.steps = {"infer": lambda: self.infer().numpy(), "train": self.train}
        self.wanted = load_file(files.path("steps"))
        load_lazy_parts()
        self.resident_before = resident_bytes()
        self.model, self.module = files.model()
        self.loss = torch.compile(self.model.loss) if form == "compiled" else self.model.loss
        self.logits = None
        self.begin()

    def begin(self, dropout=0.0):
        """The first weights, and an optimiser that has not stepped."""
        options = self.files.options
        self.module.load_state_dict(load_file(self.files.path("weights")))
        parameters = groups(self.module, options["weight_decay"])
        self.optimiser = torch.optim.AdamW(parameters, lr=options["lr"], fused=True)
        self.model.dropout = dropout

    def train(self):
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(*self.files.inputs, self.files.label)
        loss.backward()
        if self.files.options["clip"]:
            clip = self.files.options["clip"]
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), clip, foreach=True)
        self.optimiser.step()
        return loss.item()

    def make_logits(self):
        """The model in its form for inference; compiled and frozen at the first call."""
        self.model.eval()
        if self.form == "compiled":
            return torch.compile(self.model, options={"freezing": True})
        if self.form == "traced":
            traced = torch.jit.freeze(torch.jit.trace(self.model, self.files.row))
            return torch.jit.optimize_for_inference(traced)
        return self.model

    @torch.inference_mode()
    def infer(self):
        if self.logits is None:
            self.logits = self.make_logits()
        return self.logits(*self.files.row)

    def check(self, mode):
        """How far results are from tern's; an error if that is too far.  After train, the
        trained weights are in a file, for tern to compute the logits of the batch from."""
        found = {"infer": self.check_infer, "train": self.check_train}[mode]()
        for name, off in found["away"].items():
            demand(name, off, TOLERANCES[name])
        return found

    def check_infer(self):
        off = distance(self.infer(), self.wanted["logits_before"][:1])
        return {"away": {"logits_before": off}}

    def gradients_away(self):
        """After the first step, of all of AdamW's first moments, a tenth of the gradients:
        the length of the difference from tern's as a part of the whole length."""
        wanted, off, whole = load_file(self.files.path("first")), 0.0, 0.0
        for name, parameter in self.module.named_parameters():
            theirs = wanted[f"optimizer.exp_avg.{name}"]
            off += (self.optimiser.state[parameter]["exp_avg"] - theirs).square().sum().item()
            whole += theirs.square().sum().item()
        return (off / whole) ** 0.5

    def check_train(self):
        losses = [self.train()]
        gradients = self.gradients_away()
        losses += [self.train() for _ in self.wanted["losses"][1:]]
        losses = torch.tensor(losses, dtype=torch.float64)
        path = self.files.path(f"{self.form}.trained")
        save_file({k: v.contiguous() for k, v in self.module.state_dict().items()}, path)
        self.model.eval()
        with torch.inference_mode():
            after = self.model(*self.files.inputs)
        self.begin(DROPOUT)
        away = {
            "gradients": gradients,
            "losses": distance(losses, self.wanted["losses"]),
            "logits_after": distance(after, self.wanted["logits_after"]),
        }
        return {"away": away, "trained": str(path), "logits": after.flatten().tolist()}

    def known(self):
        return {}


def export(files):
    """Without dropout or masks; opset 23 has attention as one operator."""
    model, _ = files.model()
    torch.onnx.export(
        model.eval(), files.row, files.folder / f"{files.name}.onnx", dynamo=True,
        opset_version=23, input_names=files.names, output_names=["logits"], verbose=False,
    )


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("model")
    arguments.add_argument("threads", type=int, nargs="?", default=1)
    arguments.add_argument("form", nargs="?", choices=["eager", "compiled", "traced"])
    arguments.add_argument("--export", action="store_true")
    given = arguments.parse_args()
    warnings.simplefilter("ignore")  # torch.jit and the exporter speak of their future
    torch.set_num_threads(given.threads)
    torch.set_num_interop_threads(1)
    if given.export:
        for model in given.model.split(","):
            export(Files(given.folder, model))
    else:
        serve(lambda: Work(Files(given.folder, given.model), given.form))


main()
