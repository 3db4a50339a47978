#!/usr/bin/env python3
"""The PyTorch side of `curves`: trains the decoder-only model of `pytorch.py` from weights and on batches that it is given.

Started by the bench with one argument, JSON: the setting, the rule of training, the names and shapes of the weights and
the folder where weights (f32) and batches (i64, of each step its inputs and its targets) lie. Answers with one line of
JSON: the losses, and those of trainings with each weight moved to a neighbouring number before every step.
"""

import json
import math
import sys
from pathlib import Path

from pytorch import DecoderOnly, nn, torch


def read(path, dtype):
    return torch.frombuffer(bytearray(path.read_bytes()), dtype=dtype)


def load(model, weights, folder):
    counts = [math.prod(weight["shape"]) for weight in weights]
    parts = read(folder / "weights", torch.float32).split(counts)
    model.load_state_dict({weight["name"]: part.view(weight["shape"]) for weight, part in zip(weights, parts)})


@torch.no_grad()
def perturb(model, generator):
    """Moves every weight by one unit in the last place, up or down."""
    for weight in model.parameters():
        up = torch.rand(weight.shape, generator=generator) < 0.5
        weight.copy_(torch.nextafter(weight, torch.where(up, math.inf, -math.inf)))


def train(arguments, batches, seed=None):
    model = DecoderOnly(arguments["setting"])
    load(model, arguments["weights"], Path(arguments["folder"]))
    matrices = [weight for weight in model.parameters() if weight.dim() >= 2]
    others = [weight for weight in model.parameters() if weight.dim() < 2]
    decays = [{"params": matrices, "weight_decay": arguments["weight_decay"]}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(decays, lr=arguments["learning_rate"], eps=arguments["epsilon"])
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    losses = []
    for ids, following in batches:
        if generator is not None:
            perturb(model, generator)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(ids).flatten(0, 1), following.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    arguments = json.loads(sys.argv[1])
    setting = arguments["setting"]
    torch.set_num_threads(arguments["threads"])
    batches = read(Path(arguments["folder"]) / "batches", torch.int64)
    batches = batches.view(-1, 2, setting["batch"], setting["steps"])
    answer = {
        "version": torch.__version__,
        "losses": train(arguments, batches),
        "perturbed": [train(arguments, batches, seed) for seed in range(arguments["perturbations"])],
    }
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
