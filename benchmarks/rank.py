"""Seconds to rank the candidates of one question: python benchmarks/rank.py [--write]

Random language models of both families, 6 layers of width 256 with 32,000 tokens, after a prompt of 64 embeddings;
candidates are made-up phrases as token ids, of lengths as in vocabularies of answers. The four methods run in turn in
every round, on one thread. Reports medians of processor time, since other load on the machine affects wall time. Naive
runs once at 1,000 candidates and not at more, where its time is that at 1,000 in proportion. A
search depends on how sure a model is: it also runs with logits 20 times as large.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import transformers
from hardware import report
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from ib_data.training.model.quiet import quiet_transformers
from ib_data.training.model.random_values import fill
from ib_data.training.ranking.best_first import best_sums
from ib_data.training.ranking.candidates import Candidates
from ib_data.training.ranking.memory import Memory
from ib_data.training.ranking.naive import naive_sums
from ib_data.training.ranking.packed import tree_sums
from ib_data.training.ranking.prefix import prefix_sums
from ib_data.training.ranking.prompt import read_prompts

SIZES = (100, 1000, 2423)
LARGEST_NAIVE = 1000
ROUNDS = 3
LAYERS, WIDTH, HEADS, VOCABULARY, PROMPT = 6, 256, 8, 32_000, 64
END = 2
SURE = 20.0
LENGTHS = (0.45, 0.37, 0.13, 0.05)  # shares of 1 to 4 tokens, before the end token
LIMIT_BYTES = 1_000_000_000

Sums = np.ndarray
Methods = dict[str, Callable[[], Sums]]


def language_model(family: str) -> Any:
    """A random one in evaluation mode."""
    if family == "llama":
        config: Any = LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
        )
        model: Any = LlamaForCausalLM(config)
    else:
        sizes: dict[str, Any] = {
            "d_model": WIDTH,
            "d_kv": WIDTH // HEADS,
            "d_ff": 4 * WIDTH,
            "num_layers": LAYERS,
            "num_heads": HEADS,
        }
        config = T5Config(vocab_size=VOCABULARY, feed_forward_proj="gated-gelu", **sizes)
        config.decoder_start_token_id = 0
        model = T5ForConditionalGeneration(config)
    fill(model, 0)
    return model.eval()


def made_up(count: int) -> Candidates:
    """So many different phrases; a few first tokens begin many of them, as in answers of people."""
    generator = np.random.default_rng(0)
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        length = 1 + generator.choice(len(LENGTHS), p=LENGTHS)
        first = int(generator.pareto(0.6) * 40) % (VOCABULARY - 3)
        found[(3 + first, *map(int, generator.integers(3, VOCABULARY, length - 1)))] = None
    return Candidates(ids=[list(ids) for ids in found], num_bytes=np.zeros(count, np.int64))


def methods_of(model: Any, candidates: Candidates) -> Methods:
    """Each method, by name; all but naive read the prompt in what is measured."""
    embeddings = torch.randn(1, PROMPT, WIDTH, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(1, PROMPT, dtype=torch.int64)
    start = 0 if model.config.is_encoder_decoder else None
    memory, tree = Memory.of(model, LIMIT_BYTES).after(PROMPT), candidates.tree
    num_nodes = memory.num_nodes(1, PROMPT)
    num_rows = memory.num_rows(PROMPT, candidates.max_tokens)

    def read() -> Any:
        return read_prompts(model, embeddings, mask, start)

    whole_rows = memory.num_whole_rows(PROMPT + candidates.max_tokens)
    return {
        "naive": lambda: naive_sums(model, embeddings, candidates, start, END, whole_rows),
        "prefix": lambda: prefix_sums(read(), candidates, END, num_rows),
        "tree": lambda: tree_sums(read(), tree, END, num_nodes),
        "best_first": lambda: best_sums(read(), tree, END, num_nodes),
    }


def measured(model: Any, candidates: Candidates) -> dict[str, Any]:
    """Median seconds of each method, and the largest differences from naive or, for a long list, from prefix."""
    methods = methods_of(model, candidates)
    if len(candidates.ids) > LARGEST_NAIVE:
        del methods["naive"]
    methods["tree"]()  # the first call is slower
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    sums: dict[str, Sums] = {}
    for number in range(ROUNDS):
        for name, method in methods.items():
            if name == "naive" and number and len(candidates.ids) == LARGEST_NAIVE:
                continue  # it takes a minute
            began = time.process_time()
            sums[name] = method()
            seconds[name].append(time.process_time() - began)
    known = sums.get("naive", sums["prefix"])
    head = model.get_output_embeddings()
    before = head.weight.data
    head.weight = torch.nn.Parameter(before * SURE, requires_grad=False)
    sure: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        methods["best_first"]()
        sure.append(time.process_time() - began)
    head.weight = torch.nn.Parameter(before, requires_grad=False)
    return {
        "candidates": len(candidates.ids),
        "tokens": int(candidates.num_tokens.sum()),
        "nodes": len(candidates.tree),
        "seconds": {name: statistics.median(taken) for name, taken in {**seconds, "best_first, sure": sure}.items()},
        "largest_difference": {
            "prefix": float(np.abs(sums["prefix"] - known).max()),
            "tree": float(np.abs(sums["tree"] - known).max()),
            "best_first": float(abs(sums["best_first"].max() - known.max())),
        },
        "same_order": bool((sums["tree"].argsort(kind="stable") == known.argsort(kind="stable")).all()),
        "same_best": bool(sums["best_first"].argmax() == known.argmax()),
    }


def with_naive(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results with naive's time where it was not run, and how many times as fast the others are."""
    largest = next(result for result in results if result["candidates"] == LARGEST_NAIVE)
    for result in results:
        seconds = result["seconds"]
        if "naive" not in seconds:
            result["naive_is_extrapolated"] = True
            seconds["naive"] = largest["seconds"]["naive"] * result["candidates"] / LARGEST_NAIVE
        result["times_naive"] = {n: round(seconds["naive"] / s, 1) for n, s in seconds.items() if n != "naive"}
        result["seconds"] = {name: round(value, 4) for name, value in seconds.items()}
    return results


def table(family: str, results: list[dict[str, Any]]) -> str:
    """The seconds of a family as lines."""
    names = ("naive", "prefix", "tree", "best_first", "best_first, sure")
    lines = [f"{family:<6} {'candidates':>10} {'nodes':>6} " + " ".join(f"{name:>18}" for name in names)]
    for result in results:
        times = {"naive": "(1)", **{name: f"({times})" for name, times in result["times_naive"].items()}}
        cells = " ".join(f"{result['seconds'][name]:>8.3f} {times[name]:>9}" for name in names)
        lines.append(f"{'':<6} {result['candidates']:>10,} {result['nodes']:>6,} {cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    found: dict[str, Any] = {}
    with torch.no_grad(), quiet_transformers():
        for family in ("llama", "t5"):
            model = language_model(family)
            found[family] = with_naive([measured(model, made_up(size)) for size in SIZES])
            print(table(family, found[family]), flush=True)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    loads = {"load_before": round(load, 2), "load_after": round(os.getloadavg()[0], 2)}
    report("rank", {**versions, "threads": 1, "rounds": ROUNDS, "prompt": PROMPT, **loads, "families": found})
