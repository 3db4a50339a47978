#!/usr/bin/env python3
"""The PyTorch side of `recurrent`: eager, on the CPU, `torch.nn.LSTM` and `torch.nn.GRU`.

Started by the bench with one argument, the setting as JSON. Says in one line of JSON what it is, then answers each
line on standard input with the seconds that a training step took, until standard input closes.
"""

import json
import math
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
except ImportError as error:
    sys.exit(f"no torch: {error}")


class Side:
    def __init__(self, setting):
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[setting["cell"]]
        width = setting["width"]
        self.layers = kind(
            width,
            width,
            num_layers=setting["layers"],
            bidirectional=setting["bidirectional"],
            batch_first=True,
        )
        self.head = nn.Linear(width * (2 if setting["bidirectional"] else 1), 1)
        self.parameters = [*self.layers.parameters(), *self.head.parameters()]
        lengths = setting["lengths"]
        self.lengths = torch.tensor(lengths) if min(lengths) < max(lengths) else None
        self.x = (torch.rand(len(lengths), max(lengths), width) * 2 - 1).requires_grad_()

    def train(self):
        for leaf in (self.x, *self.parameters):
            leaf.grad = None
        start = time.perf_counter()
        if self.lengths is None:
            outputs, _ = self.layers(self.x)
        else:
            packed = pack_padded_sequence(self.x, self.lengths, batch_first=True, enforce_sorted=False)
            outputs, _ = pad_packed_sequence(self.layers(packed)[0], batch_first=True)
        loss = self.head(outputs).square().mean()
        loss.backward()
        seconds = time.perf_counter() - start
        if not math.isfinite(loss.item()):
            sys.exit(f"the loss is {loss.item()}")
        return seconds


def main():
    arguments = json.loads(sys.argv[1])
    torch.set_num_threads(arguments["threads"])
    torch.manual_seed(0)
    side = Side(arguments["setting"])
    greeting = {
        "version": torch.__version__,
        "threads": torch.get_num_threads(),
        "matrices": sum(parameter.numel() for parameter in side.parameters if parameter.dim() == 2),
    }
    print(json.dumps(greeting), flush=True)
    for _ in sys.stdin:
        print(side.train(), flush=True)


if __name__ == "__main__":
    main()
