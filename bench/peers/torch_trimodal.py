"""tern's trimodal classifiers in PyTorch, for batches without padding.

The parameters are those of tests/fixtures/trimodal_model.py, which spells the models out
with all their masks.  Here every sequence is full, so the forward pass is written again
without masks, from the ops that PyTorch runs fastest: channels_last, fused attention, the
whole batch through the LSTM, in-place ReLU.
"""
import pathlib
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "fixtures"))
from trimodal_model import TIME_GAIN, Classifier, time_codes  # noqa: E402

DROPOUT = 0.1


class FullLength(torch.nn.Module):
    """The classifier on batches without padding: face [N,F,H,W,C], mel [N,T,B], tokens
    [N,L], label [N].  times: each stream's time codes [1,T,D], times their gain.
    auxiliary: the weight of the encoders' own losses."""

    def __init__(self, model, heads, times, auxiliary):
        super().__init__()
        self.model, self.heads, self.times, self.auxiliary = model, heads, times, auxiliary
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

    def loss(self, face, mel, tokens, label):
        streams = self.encode(face, mel, tokens)
        loss = F.cross_entropy(self.logits(streams), label)
        for name, x in streams.items():
            own = self.head(x.mean(1), self.model.auxiliary[name])
            loss = loss + self.auxiliary * F.cross_entropy(own, label)
        return loss


def make(fusion, options, face, mel, tokens):
    """options: the metadata of the batch, whose inputs are given too."""
    config = {key: int(value) for key, value in options.items() if value == int(value)}
    steps = {"face": face.shape[1], "audio": mel.shape[1] // 8, "text": tokens.shape[1]}
    times = {
        name: TIME_GAIN * time_codes(torch.tensor([n]), n, config["size"], int(name == "text"))
        for name, n in steps.items()
    }
    model = Classifier(config, fusion)
    return FullLength(model, config["heads"], times, options["auxiliary"])
