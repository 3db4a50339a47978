#!/usr/bin/env python3
"""Prints the reference file that the `parity_torch` tests compare with.

    pip install torch numpy
    python torch_reference.py            # writes recurrent.json beside this script

What is printed
  recurrent.json   `torch.nn.LSTM` and `torch.nn.GRU` on packed sequences of different lengths, from states that are
                   not zero: one layer, two layers, one direction and both.

Weights and inputs are drawn in f32; outputs and gradients are then computed in f64, so that the reference has no
rounding of its own worth mentioning. Nine significant digits identify an f32 exactly.

Gradients are those of `loss = sum(output * probe) + sum(state * state probe)` with random probes.
"""

import json
import pathlib

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

SEED = 19971115
HERE = pathlib.Path(__file__).parent


def draw(*shape, spread=1.0):
    """A random f32 tensor, kept as f64."""
    return (spread * torch.randn(*shape, dtype=torch.float32)).double()


def entry(tensor):
    return {"shape": list(tensor.shape), "data": tensor.detach().flatten().tolist()}


def entries(named):
    return {name: entry(tensor) for name, tensor in named}


def case(kind, layers, bidirectional):
    d_input, d_hidden, steps, lengths = 3, 5, 6, [4, 6, 1]
    batch, directions = len(lengths), 2 if bidirectional else 1
    lstm = kind == "lstm"
    module = (nn.LSTM if lstm else nn.GRU)(
        d_input, d_hidden, num_layers=layers, bidirectional=bidirectional, batch_first=True, dtype=torch.float64
    )
    for parameter in module.parameters():
        parameter.data = draw(*parameter.shape, spread=0.5)
    x = draw(batch, steps, d_input).requires_grad_()
    start = [draw(layers * directions, batch, d_hidden, spread=0.5).requires_grad_() for _ in range(2 if lstm else 1)]
    packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    output, last = module(packed, tuple(start) if lstm else start[0])
    output, _ = pad_packed_sequence(output, batch_first=True, total_length=steps)
    last = list(last) if lstm else [last]
    probe = draw(*output.shape)
    probes = [draw(*state.shape) for state in last]
    loss = (output * probe).sum() + sum((state * probe).sum() for state, probe in zip(last, probes))
    loss.backward()
    names = ["hidden", "cell"]
    return {
        "name": f"{kind}, {layers} layer(s), {directions} direction(s)",
        "kind": kind,
        "d_input": d_input,
        "d_hidden": d_hidden,
        "layers": layers,
        "bidirectional": bidirectional,
        "lengths": lengths,
        "parameters": entries(module.state_dict().items()),
        "x": entry(x),
        "probe": entry(probe),
        "start": entries(zip(names, start)),
        "state_probes": entries(zip(names, probes)),
        "outputs": entry(output),
        "states": entries(zip(names, last)),
        "gradients": entries(
            [("x", x.grad)]
            + [(name, state.grad) for name, state in zip(names, start)]
            + [(name, parameter.grad) for name, parameter in module.named_parameters()]
        ),
    }


def rounded(value):
    """Nine significant digits."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return value


def main():
    torch.manual_seed(SEED)
    cases = [
        case(kind, layers, bidirectional)
        for kind in ("lstm", "gru")
        for layers, bidirectional in ((1, False), (1, True), (2, False), (2, True))
    ]
    file = {"torch": torch.__version__, "cases": rounded(cases)}
    (HERE / "recurrent.json").write_text(json.dumps(file, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
