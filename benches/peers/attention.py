#!/usr/bin/env python3
"""The PyTorch side of the bench `attention`: `scaled_dot_product_attention`, eager, on the CPU.

Started with one argument, the number of threads. Says in one line of JSON what it is. Then it answers, line by line:
a setting as a JSON object with `"ready"`, and a number with `{"seconds": [..]}`, the time of so many repetitions of the
last setting; or either with `{"error": ".."}`. It ends when standard input closes.
"""

import json
import sys
import time

try:
    import torch
    from torch.nn.functional import scaled_dot_product_attention
except ImportError as error:
    sys.exit(f"no torch: {error}")


def visible(setting):
    """The arguments that say who sees whom: what a PyTorch user would pass."""
    kind, queries, keys = setting["visible"]["kind"], setting["queries"], setting["keys"]
    if kind == "full":
        return {}
    if kind == "causal" and queries == keys:
        return {"is_causal": True}
    # `is_causal` aligns the first query with the first key, which is wrong for queries on cached keys, and it knows
    # no windows and no documents: all of these take a matrix, made once.
    query = torch.arange(keys - queries, keys)[:, None]
    key = torch.arange(keys)[None, :]
    mask = key <= query
    if kind == "window":
        mask &= query - key < setting["visible"]["keys"]
    elif kind == "documents":
        length = setting["visible"]["length"]
        mask &= query // length == key // length
    return {"attn_mask": mask[None, None]}


class Attention:
    def __init__(self, setting):
        self.train = setting["pass"] == "train"
        batch, heads, width = setting["batch"], setting["heads"], setting["width"]
        queries, keys = setting["queries"], setting["keys"]
        shapes = [(batch, heads, queries, width), (batch, heads, keys, width), (batch, heads, keys, width)]
        if setting["bias"]:
            shapes.append((1, heads, queries, keys))
        leaves = [(torch.rand(shape) * 2 - 1).requires_grad_(self.train) for shape in shapes]
        self.leaves, self.inputs = leaves, leaves[:3]
        self.options = visible(setting)
        if setting["bias"]:
            if self.options:
                raise ValueError("a bias beside a mask is no setting of the table")
            self.options = {"attn_mask": leaves[3]}
        if setting["dropout"] is not None:
            self.options["dropout_p"] = setting["dropout"]

    def output(self):
        return scaled_dot_product_attention(*self.inputs, **self.options)

    def forward(self):
        with torch.inference_mode():
            start = time.perf_counter()
            output = self.output()
            seconds = time.perf_counter() - start
        del output
        return seconds

    def forward_and_backward(self):
        # A gradient that is there would be added to.
        for leaf in self.leaves:
            leaf.grad = None
        start = time.perf_counter()
        output = self.output()
        output.backward(torch.ones_like(output))
        return time.perf_counter() - start

    def seconds(self, count):
        once = self.forward_and_backward if self.train else self.forward
        return [once() for _ in range(count)]


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(0)
    greeting = {
        "version": torch.__version__,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    print(json.dumps(greeting), flush=True)
    attention = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if isinstance(request, dict):
                attention = None  # frees the tensors of the last one
                attention = Attention(request)
                answer = "ready"
            else:
                answer = {"seconds": attention.seconds(request)}
        except (RuntimeError, ValueError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
