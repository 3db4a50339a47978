#!/usr/bin/env python3
"""The PyTorch side of `training_step`: eager, on the CPU, out of `torch.nn`'s own layers.

Started by the bench with one argument, the setting as JSON. Says in one line of JSON what it is, then answers each
line `train`, `forward` or `decode` on standard input with the seconds that the work took, `profile N` with the seconds of
each part of N training steps, as JSON, and `memory` with the bytes that were resident before there was a model and at
most, until standard input closes.
"""

import json
import math
import sys
import time
import warnings

try:
    import torch
    from torch import nn
except ImportError as error:
    sys.exit(f"no torch: {error}")


def gelu_tanh(x):
    return nn.functional.gelu(x, approximate="tanh")


def heads(attention, x):
    return x.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)


def attend(attention, query, key, value):
    context = nn.functional.scaled_dot_product_attention(query, key, value)
    return attention.out_proj(context.transpose(1, 2).flatten(-2))


def attend_to_past(attention, x, cache):
    """Self-attention of one step. `torch.nn` has no cache: `cache` is a list of concatenated keys and values."""
    packed = nn.functional.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = (heads(attention, part) for part in packed.chunk(3, -1))
    cache[:] = [torch.cat([seen, new], 2) for seen, new in zip(cache, (key, value))] or [key, value]
    return attend(attention, query, *cache)


# `nn.Transformer` says that it makes no use of nested tensors with `norm_first`.
warnings.filterwarnings("ignore", "enable_nested_tensor")


class DecoderOnly(nn.Module):
    """Pre-norm, GELU, learned positions, a vocabulary projection of its own without bias.

    As GPT-2: 1024 positions, GELU's tanh form, the vocabulary projection tied to the embeddings.
    """

    def __init__(self, setting):
        super().__init__()
        width, steps, gpt2 = setting["width"], setting["steps"], setting["gpt2"]
        self.tokens = nn.Embedding(setting["vocabulary"], width)
        self.positions = nn.Embedding(setting["positions"], width)
        self.dropout = nn.Dropout(setting["dropout"])
        layer = nn.TransformerEncoderLayer(
            width,
            setting["heads"],
            setting["feed_forward"],
            setting["dropout"],
            activation=gelu_tanh if gpt2 else "gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, setting["layers"], nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.head = nn.Linear(width, setting["vocabulary"], bias=False)
        if gpt2:
            self.head.weight = self.tokens.weight
        hidden = nn.Transformer.generate_square_subsequent_mask(steps)
        self.register_buffer("hidden", hidden, persistent=False)

    def forward(self, ids, _source=None):
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        # `is_causal` lets PyTorch take its fused attention.
        return self.head(self.layers(self.dropout(x), mask=self.hidden, is_causal=True))

    def step(self, ids, position, caches):
        """Logits of one token a row, out of the layers' parts."""
        x = self.tokens(ids) + self.positions.weight[position]
        for layer, cache in zip(self.layers.layers, caches):
            x = x + attend_to_past(layer.self_attn, layer.norm1(x), cache)
            x = x + layer.linear2(layer.activation(layer.linear1(layer.norm2(x))))
        return self.head(self.layers.norm(x))

    def decode(self, ids, _source=None):
        caches = [[] for _ in self.layers.layers]
        for position, step in enumerate(ids.split(1, 1)):
            self.step(step, position, caches)


def sinusoids(steps, width):
    """Vaswani et al. (2017), section 3.5."""
    angles = torch.arange(steps)[:, None] * 10_000 ** (-torch.arange(0, width, 2) / width)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)


class EncoderDecoder(nn.Module):
    """`nn.Transformer`, pre-norm, ReLU: with sinusoidal positions, scaled embeddings and a tied output."""

    def __init__(self, setting):
        super().__init__()
        width, steps, source_steps = (setting[key] for key in ("width", "steps", "source_steps"))
        self.source = nn.Embedding(setting["vocabulary"], width)
        self.target = nn.Embedding(setting["vocabulary"], width)
        self.dropout = nn.Dropout(setting["dropout"])
        self.transformer = nn.Transformer(
            width,
            setting["heads"],
            setting["layers"],
            setting["layers"],
            setting["feed_forward"],
            setting["dropout"],
            batch_first=True,
            norm_first=True,
        )
        self.register_buffer("positions", sinusoids(max(steps, source_steps), width), persistent=False)
        hidden = nn.Transformer.generate_square_subsequent_mask(steps)
        self.register_buffer("hidden", hidden, persistent=False)

    def embed(self, table, ids, offset=0):
        x = table(ids) * math.sqrt(table.embedding_dim) + self.positions[offset : offset + ids.shape[1]]
        return self.dropout(x)

    def logits(self, x):
        return nn.functional.linear(x, self.target.weight)

    def forward(self, ids, source):
        source, target = self.embed(self.source, source), self.embed(self.target, ids)
        return self.logits(self.transformer(source, target, tgt_mask=self.hidden, tgt_is_causal=True))

    def decode(self, ids, source):
        memory = self.transformer.encoder(self.embed(self.source, source))
        decoder = self.transformer.decoder
        caches, memories = [[] for _ in decoder.layers], []
        for layer in decoder.layers:
            attention, width = layer.multihead_attn, memory.shape[-1]
            packed = nn.functional.linear(memory, attention.in_proj_weight[width:], attention.in_proj_bias[width:])
            memories.append([heads(attention, part) for part in packed.chunk(2, -1)])
        for position, step in enumerate(ids.split(1, 1)):
            x = self.embed(self.target, step, position)
            for layer, cache, memory in zip(decoder.layers, caches, memories):
                x = x + attend_to_past(layer.self_attn, layer.norm1(x), cache)
                attention, width = layer.multihead_attn, x.shape[-1]
                query = nn.functional.linear(
                    layer.norm2(x), attention.in_proj_weight[:width], attention.in_proj_bias[:width]
                )
                x = x + attend(attention, heads(attention, query), *memory)
                x = x + layer.linear2(layer.activation(layer.linear1(layer.norm3(x))))
            self.logits(decoder.norm(x))


MODELS = {"decoder_only": DecoderOnly, "encoder_decoder": EncoderDecoder}


class Side:
    def __init__(self, arguments):
        self.setting = setting = arguments["setting"]
        self.model = MODELS[setting["model"]](setting)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=arguments["learning_rate"],
            eps=arguments["epsilon"],
            weight_decay=arguments["weight_decay"],
        )
        shape, source = (setting["batch"], setting["steps"]), (setting["batch"], setting["source_steps"])
        self.ids = torch.randint(setting["vocabulary"], shape)
        self.next = torch.randint(setting["vocabulary"], shape)
        self.source = torch.randint(setting["vocabulary"], source)

    def train(self):
        self.model.train()
        self.optimizer.zero_grad()
        logits = self.model(self.ids, self.source)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), self.next.flatten())
        loss.backward()
        self.optimizer.step()
        if not math.isfinite(loss.item()):
            sys.exit(f"the loss is {loss.item()}")

    @torch.inference_mode()
    def forward(self):
        self.model.eval()
        self.model(self.ids, self.source)

    @torch.inference_mode()
    def decode(self):
        self.model.eval()
        self.model.decode(self.ids, self.source)


def with_callers(event):
    while event is not None:
        yield event
        event = event.cpu_parent


def part(event, setting):
    """Which part of a training step an operation belongs to: by its name, those of its callers and its shapes."""
    chain = list(with_callers(event))
    names = [caller.name for caller in chain]
    shapes = [tuple(shape) for caller in chain for shape in caller.input_shapes or []]

    def called(*parts):
        return any(part in name for name in names for part in parts)

    if called("Optimizer"):
        return "optimizer"
    # Only the logits have as many columns as there are tokens, and so have the gradients of what makes them.
    if called("cross_entropy", "nll_loss", "NllLoss", "log_softmax", "LogSoftmax") or (
        called("linear", "addmm", "aten::mm", "Mm", "aten::t") and any(setting["vocabulary"] in shape for shape in shapes)
    ):
        return "vocabulary projection and loss"
    lengths = (setting["steps"], setting["source_steps"])
    square = any(shape[2] in lengths and shape[3] in lengths for shape in shapes if len(shape) == 4)
    if called("scaled_dot_product", "ScaledDotProduct", "bmm", "Bmm", "baddbmm", "softmax", "Softmax") or square:
        return "attention"
    if called("layer_norm", "LayerNorm"):
        return "norms"
    if called("embedding", "Embedding"):
        return "embeddings"
    if called("gelu", "Gelu", "relu", "Relu", "threshold"):
        return "activation"
    if called("dropout", "Dropout") or names[0] in ("aten::add", "aten::add_"):
        return "dropout and residuals"
    if called("linear", "addmm", "Addmm", "aten::mm", "Mm"):
        return "linear maps"
    return "everything else"


def profile(side, steps):
    """The seconds of each part, without those of what it calls."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profiler:
        for _ in range(steps):
            side.train()
    parts = {}
    for event in profiler.events():
        name = part(event, side.setting)
        parts[name] = parts.get(name, 0.0) + event.self_cpu_time_total / 1e6
    return parts


def peak_memory():
    """Most bytes that this process has had resident; none where the system does not say."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return None


def forget_peak():
    """Has the peak begin at what is resident now, where the system can."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def main():
    arguments = json.loads(sys.argv[1])
    torch.set_num_threads(arguments["threads"])
    torch.manual_seed(0)
    # What PyTorch loads and sets up at the first step of its life belongs to the process, not to the model.
    tiny = {"layers": 1, "width": 8, "heads": 1, "feed_forward": 8, "vocabulary": 8, "batch": 1, "steps": 2}
    tiny |= {"source_steps": 2, "positions": 1024}
    Side(arguments | {"setting": arguments["setting"] | tiny}).train()
    forget_peak()
    baseline = peak_memory()
    side = Side(arguments)
    greeting = {
        "version": torch.__version__,
        "threads": torch.get_num_threads(),
        "parameters": sum(parameter.numel() for parameter in side.model.parameters()),
    }
    print(json.dumps(greeting), flush=True)
    work = {"train": side.train, "forward": side.forward, "decode": side.decode}
    for line in sys.stdin:
        if line.strip() == "memory":
            print(json.dumps({"baseline": baseline, "peak": peak_memory()}), flush=True)
            continue
        if line.startswith("profile"):
            print(json.dumps(profile(side, int(line.split()[1]))), flush=True)
            continue
        run = work[line.strip()]
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
