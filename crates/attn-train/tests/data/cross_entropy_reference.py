"""Writes cross_entropy_reference.json, which tests/loss_cross_entropy.rs compares with.

    pip install torch
    python cross_entropy_reference.py
"""

import json
from pathlib import Path

import torch

ROWS, VOCABULARY, PAD = 6, 5, 0


def main():
    torch.manual_seed(7)
    logits = (3 * torch.randn(ROWS, VOCABULARY, dtype=torch.float64)).requires_grad_()
    targets = torch.tensor([4, PAD, 2, 1, PAD, 3])
    cases = []
    for smoothing in [0.0, 0.1, 1.0]:
        logits.grad = None
        loss = torch.nn.functional.cross_entropy(
            logits, targets, ignore_index=PAD, reduction="sum", label_smoothing=smoothing
        )
        loss.backward()
        cases.append({"smoothing": smoothing, "sum": loss.item(), "gradient": logits.grad.tolist()})
    reference = {
        "made_by": f"torch {torch.__version__}",
        "pad": PAD,
        "logits": logits.tolist(),
        "targets": targets.tolist(),
        "cases": cases,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(reference, indent=1) + "\n")


if __name__ == "__main__":
    main()
