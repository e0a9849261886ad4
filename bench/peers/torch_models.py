"""The models of bench/workload in PyTorch: tern's names, from the ops that PyTorch runs fastest.

Every module maps the batch's inputs, in tern's layouts, to logits [N,7]; none has dropout.
The trimodal classifiers are in torch_trimodal.py.
"""
import torch.nn.functional as F
from torch import nn

import torch_trimodal

CLASSES = 7


class Model(nn.Module):
    def loss(self, *inputs_and_label):
        *inputs, label = inputs_and_label
        return F.cross_entropy(self(*inputs), label)


class CNN(Model):
    """image [N,64,64,3]; channels_last makes the permutation free."""

    def __init__(self):
        super().__init__()
        widths = [3, 32, 32, 64, 64, 128, 128]
        for i in range(6):
            self.add_module(f"conv{i}", nn.Conv2d(widths[i], widths[i + 1], 3, padding=1))
        self.out = nn.Linear(128, CLASSES)

    def forward(self, image):
        x = image.permute(0, 3, 1, 2)
        for i in range(6):
            x = F.relu(getattr(self, f"conv{i}")(x), inplace=True)
            x = F.max_pool2d(x, 2) if i % 2 else x
        return self.out(x.mean((2, 3)))


class LSTM(Model):
    """x [N,100,64]"""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(64, 128, batch_first=True)
        self.out = nn.Linear(128, CLASSES)

    def forward(self, x):
        return self.out(self.lstm(x)[0].mean(1))


def split_heads(x, heads=4):
    """[N,L,D] -> [N,heads,L,D/heads]"""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    """A pre-LN layer, of x on itself or of x on a source; parameters as
    nn.TransformerEncoderLayer names them."""

    def __init__(self, cross=False):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(128, 4, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(128, 512), nn.Linear(512, 128)
        self.norm1, self.norm2 = nn.LayerNorm(128), nn.LayerNorm(128)
        if cross:
            self.norm_source = nn.LayerNorm(128)

    def project(self, x, source):
        weight, bias = self.self_attn.in_proj_weight, self.self_attn.in_proj_bias
        query = self.norm1(x)
        if source is None:
            return F.linear(query, weight, bias).chunk(3, -1)
        key_value = F.linear(self.norm_source(source), weight[128:], bias[128:])
        return F.linear(query, weight[:128], bias[:128]), *key_value.chunk(2, -1)

    def forward(self, x, source=None):
        q, k, v = (split_heads(projected) for projected in self.project(x, source))
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.self_attn.out_proj(seen)
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class Transformer(Model):
    """x [N,50,128]"""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(Layer() for _ in range(4))
        self.norm, self.out = nn.LayerNorm(128), nn.Linear(128, CLASSES)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.out(self.norm(x).mean(1))


class CrossModal(Model):
    """target [N,8,128], source [N,100,128]"""

    def __init__(self):
        super().__init__()
        self.layer, self.out = Layer(cross=True), nn.Linear(128, CLASSES)

    def forward(self, target, source):
        return self.out(self.layer(target, source).mean(1))


MODELS = {"cnn": CNN, "lstm": LSTM, "transformer": Transformer, "crossmodal": CrossModal}


def make(name, options, inputs):
    """The model and, with the names of tern's state, the module that holds its parameters."""
    if name in MODELS:
        model = MODELS[name]()
        return model, model
    model = torch_trimodal.make(name.removeprefix("trimodal-"), options, *inputs)
    return model, model.model
