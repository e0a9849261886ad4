"""The work of build/bench/models in PyTorch, at its best.

    python bench/peers/trimodal_torch.py FOLDER FUSION THREADS [--compile]

FOLDER holds what `build/bench/models --save FOLDER` wrote: the batch, the weights, and
what tern made of them.  First the logits, and the losses of some training steps without
dropout, are held against tern's; then the process takes the commands of
bench/workload/worker.h from its standard input and answers them likewise.

The parameters are those of tests/fixtures/trimodal_model.py, which spells the models out
with all their masks.  Here every sequence is full, so the forward pass is written again
without masks, from the ops that PyTorch runs fastest: channels_last, fused attention, the
whole batch through the LSTM, in-place ReLU.
"""
import argparse
import json
import pathlib
import sys
import time

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "fixtures"))
from trimodal_model import TIME_GAIN, Classifier, time_codes  # noqa: E402

DROPOUT = 0.1
# float32 in another order; AdamW's first steps divide small gradients by themselves.
TOLERANCES = {"logits_before": 1e-4, "losses": 1e-3, "logits_after": 2e-2}


# ------------------------------------------------------------------- forward --


class FullLength(torch.nn.Module):
    """The classifier on batches without padding: face [N,F,H,W,C], mel [N,T,B], tokens
    [N,L], label [N].  times: each stream's time codes [1,T,D], times their gain."""

    def __init__(self, model, heads, times):
        super().__init__()
        self.model, self.heads, self.times = model, heads, times
        self.dropout = 0.0

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training)

    def normalise(self, x, norm):
        """Batch norm of axis 1."""
        state = norm.running_mean, norm.running_var, norm.weight, norm.bias
        return F.batch_norm(x, *state, self.training, norm.momentum, norm.eps)

    def conv_block(self, x, block):
        x = F.relu(self.normalise(block[0](x), block[1]), inplace=True)
        return x if block.pool == 1 else F.max_pool2d(x, block.pool)

    def split(self, x):
        """[N,L,heads*size] -> [N,heads,L,size]"""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def transformer(self, x, layer, qkv):
        q, k, v = (self.split(projected) for projected in qkv)
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        x = x + self.drop(layer.self_attn.out_proj(y.transpose(1, 2).flatten(2)))
        hidden = self.drop(F.gelu(layer.linear1(layer.norm2(x))))
        return x + self.drop(layer.linear2(hidden))

    def on_itself(self, x, layer):
        weight, bias = layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias
        return self.transformer(x, layer, F.linear(layer.norm1(x), weight, bias).chunk(3, -1))

    def across(self, x, layer, source, time, source_time):
        """Queries and keys carry time codes, values do not."""
        own = layer.self_attn
        weights = own.q_proj_weight, own.k_proj_weight, own.v_proj_weight
        value = layer.norm_source(source)
        inputs = layer.norm1(x) + time, value + source_time, value
        biases = own.in_proj_bias.chunk(3)
        qkv = [F.linear(*each) for each in zip(inputs, weights, biases)]
        return self.transformer(x, layer, qkv)

    def face(self, face):
        x, encoder = face.flatten(0, 1).permute(0, 3, 1, 2), self.model.face
        for name in encoder.names:
            x = self.conv_block(x, getattr(encoder, name))
        x = F.relu(encoder.project(self.drop(x.mean((2, 3)))))
        return x.unflatten(0, face.shape[:2])

    def audio(self, mel):
        encoder = self.model.audio
        x = self.normalise(mel.flatten(0, 1), encoder.input_norm)
        x = x.view(*mel.shape, 1).permute(0, 3, 1, 2)
        for i in range(4):
            x = self.conv_block(x, getattr(encoder, f"block{i}"))
        return encoder.lstm(self.drop(x.mean(3).transpose(1, 2)))[0]

    def text(self, tokens):
        encoder = self.model.text
        x = self.drop(encoder.embedding(tokens) + encoder.position.weight)
        for layer in encoder.layers:
            x = self.on_itself(x, layer)
        return encoder.norm(x)

    def head(self, x, head):
        return head.out(self.drop(F.relu(head.hidden(x))))

    def concat(self, streams, fusion):
        return torch.cat([x.mean(1) for x in streams.values()], -1)

    def pool(self, x, pool):
        query = self.split(pool.query.expand(len(x), 1, -1))
        key, value = self.split(pool.key(x)), self.split(x)
        return F.scaled_dot_product_attention(query, key, value).flatten(1)

    def attention(self, streams, fusion):
        parts = [getattr(fusion, name) for name in streams]
        pooled = [self.pool(x, part.pool) for part, x in zip(parts, streams.values())]
        scores = torch.cat([part.score(x) for part, x in zip(parts, pooled)], -1)
        weights = len(parts) * torch.softmax(scores, -1)
        gated = [
            x * torch.sigmoid(part.gate(x)) * weight
            for part, x, weight in zip(parts, pooled, weights.split(1, -1))
        ]
        return torch.cat(gated, -1)

    def crossmodal(self, streams, fusion):
        pooled, times = [], self.times
        for target in streams:
            part, seen = getattr(fusion, target), []
            for source in streams:
                if source != target:
                    x = streams[target]
                    for layer in getattr(part, f"from_{source}"):
                        x = self.across(x, layer, streams[source], times[target], times[source])
                    seen.append(x)
            x = self.on_itself(part.join(torch.cat(seen, -1)), getattr(part, "self"))
            pooled += [x.mean(1), streams[target].mean(1)]
        return torch.cat(pooled, -1)

    def encode(self, face, mel, tokens):
        return {"face": self.face(face), "audio": self.audio(mel), "text": self.text(tokens)}

    def logits(self, streams):
        fusion = self.model.fusion
        kind = type(fusion).__name__.removesuffix("Fusion").lower()
        return self.head(getattr(self, kind)(streams, fusion), fusion.head)

    def forward(self, face, mel, tokens):
        return self.logits(self.encode(face, mel, tokens))

    def loss(self, face, mel, tokens, label, auxiliary):
        streams = self.encode(face, mel, tokens)
        loss = F.cross_entropy(self.logits(streams), label)
        for name, x in streams.items():
            own = self.head(x.mean(1), self.model.auxiliary[name])
            loss = loss + auxiliary * F.cross_entropy(own, label)
        return loss


# ---------------------------------------------------------------------- work --


def resident_bytes(key):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(key))


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


def groups(model, decay):
    """Biases, norms, embeddings and the queries of pooling do not decay."""
    tables = ("embedding.weight", "position.weight")
    decays = {True: [], False: []}
    for name, parameter in model.named_parameters():
        decays[parameter.ndim > 1 and not name.endswith(tables)].append(parameter)
    return [
        {"params": decays[True], "weight_decay": decay},
        {"params": decays[False], "weight_decay": 0.0},
    ]


class Work:
    def __init__(self, folder, fusion, compiled):
        self.folder, self.fusion, self.compiled = pathlib.Path(folder), fusion, compiled
        self.name = f"trimodal-{fusion}"
        batch = load_file(self.folder / f"{self.name}.batch.safetensors")
        self.label = batch["label"].long()
        self.inputs = [batch["face"], batch["mel"], batch["tokens"].long()]
        self.row = [x[:1] for x in self.inputs]
        with safe_open(self.folder / f"{self.name}.batch.safetensors", "pt") as file:
            self.options = {key: float(value) for key, value in file.metadata().items()}
        load_lazy_parts()
        self.resident_before = resident_bytes("VmRSS")
        self.begin()

    def begin(self):
        """The model with its first weights, and an optimiser that has not stepped."""
        options = self.options
        config = {key: int(value) for key, value in options.items() if value == int(value)}
        plain = Classifier(config, self.fusion)
        plain.load_state_dict(load_file(self.folder / f"{self.name}.weights.safetensors"))
        steps = {"face": config["frames"], "audio": self.inputs[1].shape[1] // 8}
        steps["text"] = config["tokens"]
        times = {
            name: TIME_GAIN * time_codes(torch.tensor([n]), n, config["size"], int(name == "text"))
            for name, n in steps.items()
        }
        self.model = FullLength(plain, config["heads"], times)
        self.model.to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(
            groups(plain, options["weight_decay"]), lr=options["lr"], fused=True
        )
        self.loss, self.logits = self.model.loss, self.model.forward
        if self.compiled:
            self.loss, self.logits = torch.compile(self.loss), torch.compile(self.logits)

    def train(self):
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(*self.inputs, self.label, self.options["auxiliary"])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.options["clip"], foreach=True)
        self.optimiser.step()
        return loss.item()

    def infer(self, inputs):
        self.model.eval()
        with torch.inference_mode():
            return self.logits(*inputs)

    def verify(self):
        """How far all this is from tern, as a part of the largest value."""
        want = load_file(self.folder / f"{self.name}.steps.safetensors")
        found = {"logits_before": self.infer(self.inputs).clone()}
        losses = [self.train() for _ in want["losses"]]
        found["losses"] = torch.tensor(losses, dtype=torch.float64)
        found["logits_after"] = self.infer(self.inputs)
        off = {}
        for name, value in want.items():
            off[name] = ((found[name] - value).abs().max() / value.abs().max()).item()
            if not off[name] <= TOLERANCES[name]:
                raise ValueError(f"{self.fusion}: {name} is {off[name]:.2g} away from tern's")
        return off


def timed(work, step, count):
    step()
    samples = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        samples.append(time.perf_counter() - start)
    return {
        "seconds": samples,
        "memory_growth": resident_bytes("VmHWM") - work.resident_before,
    }


def answer(reply):
    print(json.dumps(reply), flush=True)


def serve(work):
    for command in sys.stdin:
        what, _, count = command.strip().partition(" ")
        if what == "train":
            answer(timed(work, work.train, int(count)))
        elif what == "infer":
            answer(timed(work, lambda: work.infer(work.row).numpy(), int(count)))
        else:
            break


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("fusion")
    arguments.add_argument("threads", type=int)
    arguments.add_argument("--compile", action="store_true")
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    torch.set_num_interop_threads(1)
    try:
        work = Work(given.folder, given.fusion, given.compile)
        off = work.verify()
        work.begin()
        work.model.dropout = DROPOUT
        serve(work)
        answer({"away_from_tern": off})
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}"})
        raise


main()
