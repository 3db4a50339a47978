#!/usr/bin/env python3
"""Prints the reference files that the `parity_*.rs` tests compare with.

    pip install torch numpy
    python torch_reference.py            # writes the .json files beside this script

What is printed
  multi_head_attention.json   `torch.nn.MultiheadAttention`: self and cross, key padding, causal, biases on and off.
  transformer.json            `torch.nn.Transformer` between embeddings and a vocabulary projection: pre- and
                              post-norm, ReLU and GELU.

Weights and inputs are drawn in f32; outputs and gradients are then computed in f64, so that the reference has no
rounding of its own worth mentioning. Nine significant digits identify an f32 exactly.

Gradients are those of `loss = sum(output * probe)` with a random probe: a plain sum would leave the last layer norm
with gradient zero.

Final norms. `torch.nn.Transformer` always ends both of its stacks with a LayerNorm. That is right for pre-norm, whose
residual stream is otherwise unnormalised; Vaswani et al. (2017) have none in post-norm, where each layer already
ends with a norm. The post-norm cases therefore hand `torch.nn.Transformer` stacks that were built with `norm=None`.
"""

import json
import math
import pathlib

import torch
from torch import nn

SEED = 20170612
HERE = pathlib.Path(__file__).parent


def draw(*shape, around=0.0, spread=1.0):
    """A random f32 tensor, kept as f64."""
    return (around + spread * torch.randn(*shape, dtype=torch.float32)).double()


def randomise(module):
    """Fresh weights everywhere: torch starts with biases 0 and norm scales 1, which would hide a swapped one."""
    for name, parameter in module.named_parameters():
        is_scale = "norm" in name and name.endswith("weight")
        fan_in = parameter.shape[-1] if parameter.dim() > 1 else 25
        drawn = draw(*parameter.shape, around=1.0 if is_scale else 0.0, spread=fan_in**-0.5)
        parameter.data = drawn.clone()


def unpacked(named):
    """torch packs the three input projections into one matrix; here each has its own entry `….q`, `….k`, `….v`."""
    for name, tensor in named:
        if "in_proj_" in name:
            owner, kind = name.rsplit("in_proj_", 1)
            for role, part in zip("qkv", tensor.chunk(3)):
                yield f"{owner}{role}.{kind}", part
        else:
            yield name, tensor


def entry(tensor):
    return {"shape": list(tensor.shape), "data": tensor.detach().flatten().tolist()}


def entries(named):
    return {name: entry(tensor) for name, tensor in named}


def gradients(module):
    return [(name, parameter.grad) for name, parameter in module.named_parameters() if parameter.grad is not None]


def hidden_keys(lengths, keys):
    """torch's polarity: true is hidden."""
    return torch.arange(keys)[None, :] >= torch.tensor(lengths)[:, None]


def hidden_future(queries, keys):
    """Causal, aligned bottom-right: the last query sees the last key."""
    return torch.ones(queries, keys, dtype=torch.bool).triu(diagonal=keys - queries + 1)


def multi_head_attention():
    batch, heads, queries, keys, width = 2, 3, 4, 5, 18
    lengths = [5, 3]
    torch.manual_seed(SEED)
    attention = nn.MultiheadAttention(width, heads, bias=True, batch_first=True, dtype=torch.float64)
    randomise(attention)
    query, memory = draw(batch, queries, width), draw(batch, keys, width)
    probe = draw(batch, keys, width)

    cases = []
    for name, cross, padded, causal, bias in [
        ("self", False, False, False, True),
        ("self, padded and causal", False, True, True, True),
        ("self, padded, without biases", False, True, False, False),
        ("cross", True, False, False, False),
        ("cross, padded", True, True, False, True),
        ("cross, padded and causal", True, True, True, True),
    ]:
        module = nn.MultiheadAttention(width, heads, bias=bias, batch_first=True, dtype=torch.float64)
        module.load_state_dict(attention.state_dict(), strict=bias)
        source = memory.clone().requires_grad_()
        asking = query.clone().requires_grad_() if cross else source
        context, weights = module(
            asking,
            source,
            source,
            key_padding_mask=hidden_keys(lengths, keys) if padded else None,
            attn_mask=hidden_future(asking.shape[1], keys) if causal else None,
            average_attn_weights=False,
        )
        (context * probe[:, : asking.shape[1]]).sum().backward()
        inputs = [("memory", source.grad)] + ([("query", asking.grad)] if cross else [])
        cases.append(
            {
                "name": name,
                "cross": cross,
                "lengths": lengths if padded else None,
                "causal": causal,
                "bias": bias,
                "context": entry(context),
                "weights": entry(weights),
                "gradients": entries([*inputs, *unpacked(gradients(module))]),
            }
        )

    return {
        "sizes": {"heads": heads, "width": width},
        "parameters": entries(unpacked(attention.state_dict().items())),
        "inputs": entries([("query", query), ("memory", memory), ("probe", probe)]),
        "cases": cases,
    }


def sinusoids(steps, width):
    """Vaswani et al. (2017), section 3.5: sine in the even, cosine in the odd columns."""
    position = torch.arange(steps, dtype=torch.float64)[:, None]
    column = torch.arange(width, dtype=torch.float64)[None, :]
    angle = position / 10000 ** (2 * (column // 2) / width)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos())


class Translator(nn.Module):
    """`torch.nn.Transformer` between what it leaves to its user: embeddings, positions, vocabulary projection."""

    def __init__(self, sizes, activation, norm_first):
        super().__init__()
        s, width = sizes, sizes["width"]
        options = {
            "nhead": s["heads"],
            "dim_feedforward": s["feed_forward"],
            "dropout": 0.0,
            "activation": activation,
            "batch_first": True,
            "norm_first": norm_first,
        }

        def final_norm():
            return nn.LayerNorm(width) if norm_first else None

        encoder_layer = nn.TransformerEncoderLayer(width, **options)
        decoder_layer = nn.TransformerDecoderLayer(width, **options)
        self.source_embedding = nn.Embedding(s["source_vocabulary"], width)
        self.target_embedding = nn.Embedding(s["target_vocabulary"], width)
        self.transformer = nn.Transformer(
            width,
            **options,
            # The nested-tensor path writes zeros into padded steps instead of computing them.
            custom_encoder=nn.TransformerEncoder(
                encoder_layer, s["layers"], final_norm(), enable_nested_tensor=False
            ),
            custom_decoder=nn.TransformerDecoder(decoder_layer, s["layers"], final_norm()),
        )
        self.projection = nn.Linear(width, s["target_vocabulary"], bias=False)
        self.scale = math.sqrt(width)
        self.double()

    def embed(self, embedding, ids):
        return embedding(ids) * self.scale + sinusoids(ids.shape[1], embedding.embedding_dim)

    def forward(self, source, lengths, target):
        """Also the input of each stack and the encoder's output, so that a mismatch can be placed."""
        hidden = hidden_keys(lengths, source.shape[1])
        embedded = self.embed(self.source_embedding, source)
        encoded = self.transformer.encoder(embedded, src_key_padding_mask=hidden)
        decoded = self.transformer(
            embedded,
            self.embed(self.target_embedding, target),
            src_key_padding_mask=hidden,
            memory_key_padding_mask=hidden,
            tgt_mask=hidden_future(target.shape[1], target.shape[1]),
        )
        return encoded, self.projection(decoded)


def transformer():
    sizes = {
        "heads": 3,
        "width": 12,
        "feed_forward": 14,
        "layers": 2,
        "source_vocabulary": 11,
        "target_vocabulary": 13,
    }
    batch, source_steps, target_steps = 2, 5, 6
    lengths = [3, 5]
    torch.manual_seed(SEED)
    # Pre-norm has all the parameters; post-norm leaves out the two final norms.
    pattern = Translator(sizes, "relu", norm_first=True)
    randomise(pattern)
    source = torch.randint(sizes["source_vocabulary"], (batch, source_steps))
    target = torch.randint(sizes["target_vocabulary"], (batch, target_steps))
    probe = draw(batch, target_steps, sizes["target_vocabulary"])

    # In full: each kind of weight once, from both ends of both stacks. Of all the others, the norm.
    shown = (
        "source_embedding.weight",
        "target_embedding.weight",
        "encoder.layers.0.self_attn.k.weight",
        "encoder.layers.0.linear1.weight",
        "encoder.layers.1.norm1.weight",
        "decoder.layers.0.self_attn.v.bias",
        "decoder.layers.0.multihead_attn.q.weight",
        "decoder.layers.0.norm2.bias",
        "decoder.layers.1.multihead_attn.v.weight",
        "decoder.layers.1.linear2.bias",
    )
    cases = []
    for norm_first in (True, False):
        for activation in ("relu", "gelu"):
            model = Translator(sizes, activation, norm_first)
            model.load_state_dict(pattern.state_dict(), strict=norm_first)
            encoded, logits = model(source, lengths, target)
            (logits * probe).sum().backward()
            named = [(name.removeprefix("transformer."), grad) for name, grad in unpacked(gradients(model))]
            cases.append(
                {
                    "name": f"{'pre' if norm_first else 'post'}-norm, {activation}",
                    "norm_first": norm_first,
                    "activation": activation,
                    "encoded": entry(encoded),
                    "logits": entry(logits),
                    "gradients": entries((name, grad) for name, grad in named if name in shown),
                    "gradient_norms": {name: grad.norm().item() for name, grad in named},
                }
            )

    return {
        "sizes": sizes,
        "parameters": entries(
            (name.removeprefix("transformer."), tensor) for name, tensor in unpacked(pattern.state_dict().items())
        ),
        "source": source.tolist(),
        "lengths": lengths,
        "target": target.tolist(),
        "probe": entry(probe),
        "cases": cases,
    }


def as_json(value):
    """JSON with nine significant digits and a line for each tensor."""
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, dict) and not {"shape", "data"} == set(value):
        inner = ",\n".join(f"{json.dumps(key)}: {as_json(item)}" for key, item in value.items())
        return "{\n" + inner + "\n}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {as_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(as_json(item) for item in value) + "]"
    return json.dumps(value)


def main():
    for reference in (multi_head_attention, transformer):
        made_by = {"script": pathlib.Path(__file__).name, "library": f"torch {torch.__version__}", "seed": SEED}
        path = HERE / f"{reference.__name__}.json"
        path.write_text(as_json({"made_by": made_by, **reference()}) + "\n")
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
