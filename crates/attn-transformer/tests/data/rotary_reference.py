#!/usr/bin/env python3
"""Prints `rotary.json`, which `suite/rotary.rs` compares with.

    pip install torch transformers
    python rotary_reference.py            # writes the .json file beside this script

`frequencies`  of Hugging Face's `ROPE_INIT_FUNCTIONS`, computed there in f32, and the factor of cosines and sines. The
               "dynamic" kind at k times the old length with factor 1 is NTK-aware scaling by k.
`turned`       the same heads turned as Llama turns them (half-split) and as GPT-J does (interleaved), from f64 angles.
"""

import json
import pathlib

import torch
import transformers
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.gptj import modeling_gptj
from transformers.models.llama import modeling_llama

HERE = pathlib.Path(__file__).parent
WIDTH = 26
BASE = 10_000.0
OLD_LENGTH = 1024

# Ours, then Hugging Face's kind, parameters and sequence length.
CASES = [
    (None, "default", {}, None),
    ({"linear": {"factor": 2.5}}, "linear", {"factor": 2.5}, None),
    ({"ntk": {"factor": 3.0}}, "dynamic", {"factor": 1.0}, 3 * OLD_LENGTH),
    (
        {
            "llama3": {
                "factor": 8.0,
                "low_frequency_factor": 1.0,
                "high_frequency_factor": 4.0,
                "original_len": OLD_LENGTH,
            }
        },
        "llama3",
        {
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": OLD_LENGTH,
        },
        None,
    ),
    (
        {"yarn": {"factor": 4.0, "original_len": OLD_LENGTH, "beta_fast": 32.0, "beta_slow": 1.0}},
        "yarn",
        {"factor": 4.0, "original_max_position_embeddings": OLD_LENGTH},
        None,
    ),
]


def frequencies(kind, parameters, length):
    config = LlamaConfig(
        head_dim=WIDTH,
        max_position_embeddings=OLD_LENGTH,
        rope_parameters={"rope_type": kind, "rope_theta": BASE, **parameters},
    )
    if kind == "default":
        return modeling_llama.LlamaRotaryEmbedding.compute_default_rope_parameters(config)
    return ROPE_INIT_FUNCTIONS[kind](config, "cpu", seq_len=length)


def entry(tensor):
    return {"shape": list(tensor.shape), "data": tensor.flatten().tolist()}


def main():
    cases = []
    for scaling, kind, parameters, length in CASES:
        inverse, amplitude = frequencies(kind, parameters, length)
        cases.append({"scaling": scaling, "frequencies": inverse.tolist(), "amplitude": amplitude})

    torch.manual_seed(104)
    batch, heads, steps, width = 2, 3, 5, 6
    heads_in = torch.randn(batch, heads, steps, width).double()
    positions = torch.tensor([[0, 1, 2, 3, 4], [0, 0, 7, 8, 1000]])
    inverse = BASE ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = positions[..., None].double() * inverse  # [b, s, d/2]
    doubled = torch.cat((angles, angles), dim=-1)
    half_split, _ = modeling_llama.apply_rotary_pos_emb(heads_in, heads_in, doubled.cos(), doubled.sin())
    # GPT-J keeps heads behind steps.
    interleaved = modeling_gptj.apply_rotary_pos_emb(heads_in.transpose(1, 2), angles.sin(), angles.cos())

    file = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "base": BASE,
        "width": WIDTH,
        "scalings": cases,
        "positions": positions.tolist(),
        "heads": entry(heads_in),
        "half_split": entry(half_split),
        "interleaved": entry(interleaved.transpose(1, 2)),
    }
    (HERE / "rotary.json").write_text(json.dumps(file, indent=1) + "\n")


if __name__ == "__main__":
    main()
