#!/usr/bin/env python3
"""The PyTorch side of `training_step`: eager, on the CPU, out of `torch.nn`'s own layers.

Started by the bench with one argument, the setting as JSON. Says in one line of JSON what it is, then answers each
line `train`, `forward` or `decode` on standard input with the seconds that the work took, until standard input closes.
"""

import json
import math
import sys
import time

try:
    import torch
    from torch import nn
except ImportError as error:
    sys.exit(f"no torch: {error}")


class Model(nn.Module):
    """Decoder-only, pre-norm, GELU, learned positions, a vocabulary projection of its own without bias."""

    def __init__(self, setting):
        super().__init__()
        width, steps = setting["width"], setting["steps"]
        self.tokens = nn.Embedding(setting["vocabulary"], width)
        self.positions = nn.Embedding(steps, width)
        self.dropout = nn.Dropout(setting["dropout"])
        layer = nn.TransformerEncoderLayer(
            width,
            setting["heads"],
            setting["feed_forward"],
            setting["dropout"],
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, setting["layers"], nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.head = nn.Linear(width, setting["vocabulary"], bias=False)
        self.register_buffer("hidden", nn.Transformer.generate_square_subsequent_mask(steps))

    def forward(self, ids):
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        # `is_causal` lets PyTorch take its fused attention.
        return self.head(self.layers(self.dropout(x), mask=self.hidden, is_causal=True))

    def step(self, ids, position, caches):
        """Logits of one token a row. `torch.nn` has no cache, so its layers' parts are called one by one."""
        x = self.tokens(ids) + self.positions.weight[position]
        for layer, cache in zip(self.layers.layers, caches):
            attention = layer.self_attn
            packed = nn.functional.linear(layer.norm1(x), attention.in_proj_weight, attention.in_proj_bias)
            query, key, value = (
                part.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for part in packed.chunk(3, -1)
            )
            cache[:] = [torch.cat([seen, new], 2) for seen, new in zip(cache, (key, value))] or [key, value]
            context = nn.functional.scaled_dot_product_attention(query, *cache)
            x = x + attention.out_proj(context.transpose(1, 2).flatten(-2))
            x = x + layer.linear2(nn.functional.gelu(layer.linear1(layer.norm2(x))))
        return self.head(self.layers.norm(x))


class Side:
    def __init__(self, arguments):
        setting = arguments["setting"]
        self.model = Model(setting)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(),
            lr=arguments["learning_rate"],
            eps=arguments["epsilon"],
            weight_decay=arguments["weight_decay"],
        )
        shape = (setting["batch"], setting["steps"])
        self.ids = torch.randint(setting["vocabulary"], shape)
        self.next = torch.randint(setting["vocabulary"], shape)

    def train(self):
        self.model.train()
        self.optimiser.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.ids).flatten(0, 1), self.next.flatten())
        loss.backward()
        self.optimiser.step()
        if not math.isfinite(loss.item()):
            sys.exit(f"the loss is {loss.item()}")

    @torch.inference_mode()
    def forward(self):
        self.model.eval()
        self.model(self.ids)

    @torch.inference_mode()
    def decode(self):
        self.model.eval()
        caches = [[] for _ in self.model.layers.layers]
        for position, ids in enumerate(self.ids.split(1, 1)):
            self.model.step(ids, position, caches)


def main():
    arguments = json.loads(sys.argv[1])
    torch.set_num_threads(arguments["threads"])
    torch.manual_seed(0)
    side = Side(arguments)
    greeting = {
        "version": torch.__version__,
        "threads": torch.get_num_threads(),
        "parameters": sum(parameter.numel() for parameter in side.model.parameters()),
    }
    print(json.dumps(greeting), flush=True)
    work = {"train": side.train, "forward": side.forward, "decode": side.decode}
    for line in sys.stdin:
        run = work[line.strip()]
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
