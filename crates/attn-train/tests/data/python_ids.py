"""The ids that Python's `tokenizers` gives texts, for tokenizers that this crate wrote.

    pip install tokenizers==0.23.3
    python python_ids.py FOLDER > python_ids.json

FOLDER holds what `Tokenizer::save` writes for each kind below, trained on TRAIN: characters.json,
words.json, bpe.json. The test `python.rs` checks that they are still written so.
"""

import json
import sys
from pathlib import Path

import tokenizers

TRAIN = [
    "the cat sat on the mat, the end.",
    "<s> l'été à la plage </s>",
    "▁ the other then there ▁x",
]
TEXTS = [
    "</s>",
    "the cat </s> sat",
    "<s>the<pad></s><unk>",
    "l'été là",
    "l'e\u0301te\u0301 la\u0300",
    "▁x ▁ the▁cat",
    "  the   cat\tsat \n",
    "☃ the",
    "",
]
KINDS = {
    "characters": "characters",
    "words": {"words": {"vocab_size": 40}},
    "bpe": {"bpe": {"vocab_size": 280}},
}

cases = []
for name, kind in KINDS.items():
    file = (Path(sys.argv[1]) / f"{name}.json").read_text(encoding="utf-8")
    tokenizer = tokenizers.Tokenizer.from_str(file)
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    cases.append({"kind": kind, "file": json.loads(file), "ids": ids})
reference = {"tokenizers": tokenizers.__version__, "train": TRAIN, "texts": TEXTS, "cases": cases}
print(json.dumps(reference, ensure_ascii=False))
