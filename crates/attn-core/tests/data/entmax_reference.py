#!/usr/bin/env python3
"""Prints `entmax_reference.json`, which `family/sparse.rs` compares with.

    pip install torch entmax
    python entmax_reference.py            # writes the .json file beside this script

Scores are drawn in f32; weights and gradients are then computed in f64, by `sparsemax`, `entmax15` and, for any other α,
by `entmax_bisect` with 100 halvings, so that the reference has no error of its own worth mentioning.

Gradients are those of `loss = sum(weights * probe)` with a random probe. In the learned case, the α of each head is
`1 + sigmoid(a)`, as in Correia et al. (2019), and the gradient in `a` goes through the α gradient of `entmax_bisect`.
"""

import importlib.metadata
import json
import pathlib

import torch
from entmax import entmax15, entmax_bisect, sparsemax

SEED = 20190515
HERE = pathlib.Path(__file__).parent
SHAPE = (2, 3, 4, 5)
ALPHAS = [1.05, 1.25, 1.5, 1.75, 2.0, 2.5]
LOGITS = [-4.0, 0.25, 3.0]


def draw(spread=1.0):
    """A random f32 tensor, kept as f64."""
    return (spread * torch.randn(*SHAPE, dtype=torch.float32)).double()


def weigh(scores, alpha):
    if alpha == 2.0:
        return sparsemax(scores, dim=-1)
    if alpha == 1.5:
        return entmax15(scores, dim=-1)
    return entmax_bisect(scores, alpha, dim=-1, n_iter=100)


def numbers(tensor):
    return tensor.detach().flatten().tolist()


def main():
    torch.manual_seed(SEED)
    scores, probe = draw(spread=1.5), draw()
    cases = []
    for alpha in ALPHAS:
        leaf = scores.clone().requires_grad_()
        weights = weigh(leaf, alpha)
        (weights * probe).sum().backward()
        cases.append({"alpha": alpha, "weights": numbers(weights), "gradient": numbers(leaf.grad)})

    leaf = scores.clone().requires_grad_()
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    alpha = 1 + torch.sigmoid(logits)[None, :, None, None].expand(*SHAPE[:3], 1)
    weights = entmax_bisect(leaf, alpha, dim=-1, n_iter=100)
    (weights * probe).sum().backward()
    file = {
        "torch": torch.__version__,
        "entmax": importlib.metadata.version("entmax"),
        "shape": SHAPE,
        "scores": numbers(scores),
        "probe": numbers(probe),
        "fixed": cases,
        "learned": {
            "logits": LOGITS,
            "weights": numbers(weights),
            "gradient": numbers(leaf.grad),
            "gradient_of_logits": numbers(logits.grad),
        },
    }
    (HERE / "entmax_reference.json").write_text(json.dumps(file) + "\n")


if __name__ == "__main__":
    main()
