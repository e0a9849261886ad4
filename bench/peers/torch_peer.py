"""PyTorch as a peer of `tern bench`, at its best: bench/process/peer.h.

    python bench/peers/torch_peer.py eager|traced|compiled
    python bench/peers/torch_peer.py compiled --ahead QUESTION
    python bench/peers/torch_peer.py --export QUESTION FILE.onnx

traced is torch.jit, frozen and optimised for inference, which is all it can do; compiled is
torch.compile, for inference with frozen weights; ops are eager's alone.  --ahead compiles
what a question will need, so that the process that is timed finds it in the cache; --export
writes a model as a graph.  bench/peers/peer sets what is in the environment.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import warnings

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from serve import Cannot, clocked, forget_peak, resident_bytes, serve
from torch_models import make
from torch_ops import Op

FOLDER = pathlib.Path(os.environ["TERN_PEERS_FOLDER"])
COMPARED_STEPS = 5


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


class Batch:
    def __init__(self, path):
        with safe_open(path, "pt") as file:
            self.options = {key: float(value) for key, value in file.metadata().items()}
            arrays = {key: file.get_tensor(key) for key in file.offset_keys()}
        self.label = arrays.pop("label").long()
        self.names = list(arrays)
        self.inputs = [x.long() if x.dtype == torch.int32 else x for x in arrays.values()]
        self.row = tuple(x[:1] for x in self.inputs)


def make_model(question, batch):
    """The model, and the module that holds its parameters."""
    model, module = make(question["model"], batch.options, batch.inputs)
    module.load_state_dict(load_file(question["weights"]))
    return model.to(memory_format=torch.channels_last), module


class Model:
    def __init__(self, question, form):
        name, self.trains = question["model"], question["pass"] == "train"
        if form == "traced" and self.trains:
            raise Cannot("torch.jit optimises for inference alone")
        if form == "compiled" and name.startswith("trimodal"):
            raise Cannot("compiling it takes minutes; eager trained faster, traced inferred as fast")
        self.question, self.form = question, form
        self.first_batch = self.batch = Batch(question["batch"])
        load_lazy_parts()
        self.resident_before = resident_bytes()
        self.model, self.module = make_model(question, self.batch)
        self.loss = torch.compile(self.model.loss) if form == "compiled" else self.model.loss
        self.logits, self.timed = None, False

    def begin(self, batch, dropout):
        """The first weights, and an optimiser that has not stepped."""
        self.batch = batch
        if self.trains:
            self.module.load_state_dict(load_file(self.question["weights"]))
            parameters = groups(self.module, batch.options["weight_decay"])
            lr = batch.options["lr"]
            self.optimiser = torch.optim.AdamW(parameters, lr=lr, fused=True)
            self.model.dropout = dropout

    def train(self):
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(*self.batch.inputs, self.batch.label)
        loss.backward()
        clip = self.batch.options["clip"]
        if clip:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), clip, foreach=True)
        self.optimiser.step()
        return loss.item()

    def make_logits(self):
        """The model in its form for inference; compiled and frozen at the first call."""
        self.model.eval()
        if self.form == "compiled":
            return torch.compile(self.model, options={"freezing": True})
        if self.form == "traced":
            traced = torch.jit.freeze(torch.jit.trace(self.model, self.batch.row))
            return torch.jit.optimize_for_inference(traced)
        return self.model

    @torch.inference_mode()
    def infer(self):
        if self.logits is None:
            self.logits = self.make_logits()
        return self.logits(*self.batch.row).numpy()

    def check(self, question):
        into = question["into"]
        self.begin(Batch(question["batch"]), 0.0)
        if not self.trains:
            found = {"logits": torch.from_numpy(self.infer().copy())}
        else:
            losses = [self.train()]
            state = self.optimiser.state
            save_file(
                {
                    f"optimizer.exp_avg.{name}": state[parameter]["exp_avg"].contiguous()
                    for name, parameter in self.module.named_parameters()
                },
                f"{into}.first.safetensors",
            )
            losses += [self.train() for _ in range(COMPARED_STEPS - 1)]
            trained = {k: v.contiguous() for k, v in self.module.state_dict().items()}
            save_file(trained, f"{into}.trained.safetensors")
            self.model.eval()
            with torch.inference_mode():
                logits = self.model(*self.batch.inputs)
            found = {"logits": logits, "losses": torch.tensor(losses, dtype=torch.float64)}
        save_file(found, f"{into}.results.safetensors")
        self.timed = False

    def step(self, cold):
        if not self.timed:
            self.begin(self.first_batch, self.question["dropout"])
            forget_peak()
            self.timed = True
        self.found, seconds = clocked(self.train if self.trains else self.infer)
        return seconds

    def finite(self):
        return bool(torch.isfinite(torch.as_tensor(self.found)).all())

    def growth(self):
        return resident_bytes("VmHWM") - self.resident_before


def compile_ahead(question, threads):
    """In a process of its own, once for each model, pass and number of threads."""
    name = f"{question['model']}-{question['pass']}-{threads}-{torch.__version__}"
    done = FOLDER / "inductor" / f"{name}.done"
    if done.exists():
        return
    command = [sys.executable, __file__, "compiled", "--threads", str(threads), "--ahead"]
    subprocess.run([*command, json.dumps(question)], check=True, stdout=sys.stderr)
    done.parent.mkdir(parents=True, exist_ok=True)
    done.touch()


def export(question, path):
    """Without dropout or masks; opset 23 has attention as one operator."""
    batch = Batch(question["batch"])
    model, _ = make_model(question, batch)
    torch.onnx.export(
        model.eval(), batch.row, path, dynamo=True, opset_version=23, input_names=batch.names,
        output_names=["logits"], verbose=False, external_data=False,
    )


def open_problem(question, form):
    if "op" in question:
        if form != "eager":
            raise Cannot(f"an op alone is the same in every form of PyTorch: eager times it")
        return Op(question)
    problem = Model(question, form)
    if form == "compiled":
        compile_ahead(question, torch.get_num_threads())
    return problem


def start(threads, form):
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    libraries = FOLDER / "libraries.txt"
    said = libraries.read_text().strip() if libraries.exists() else "libraries not asked"
    about = f"PyTorch {torch.__version__} ({form}); {said}"
    return {"about": about} | ({"cold": Op.cold()} if form == "eager" else {})


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("form", nargs="?", choices=["eager", "compiled", "traced"])
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--ahead")
    arguments.add_argument("--export", nargs=2)
    given = arguments.parse_args()
    warnings.simplefilter("ignore")  # torch.jit and the exporter speak of their future
    if given.export:
        export(json.loads(given.export[0]), given.export[1])
    elif given.ahead:
        torch.set_num_threads(given.threads)
        Model(json.loads(given.ahead), given.form).step(False)
    else:
        form = given.form
        serve(lambda threads: start(threads, form), lambda question: open_problem(question, form))


main()
