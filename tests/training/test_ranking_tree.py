"""The prefix tree, passes over parts of it, the search, and models that cannot read it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_answers import FAMILIES, eight_questions, toy_answerer
from toy_rankers import LIST, double_answerer, ranker, require_agreement
from toy_training import draw

from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Asked
from ib_data.training.ranking import best_first, packed
from ib_data.training.ranking.memory import MAX_NODES, Memory
from ib_data.training.ranking.prompt import read_prompts
from ib_data.training.ranking.ranker import METHODS, Ranker
from ib_data.training.ranking.tree import build_tree

families = pytest.mark.parametrize("family", FAMILIES)
RED = Asked("Caption:", [draw("red", "circle")])
sequences = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=20)


def test_a_tree() -> None:
    tree = build_tree([[5, 7], [5], [5, 6, 9], [8], [5, 7]])
    assert tree.tokens.tolist() == [5, 6, 9, 7, 8]
    assert tree.parents.tolist() == [-1, 0, 1, 0, -1]
    assert tree.depths.tolist() == [0, 1, 2, 1, 0]
    assert tree.ends.tolist() == [4, 3, 3, 4, 5]
    assert tree.last.tolist() == [3, 0, 2, 4, 3]
    assert tree.height == 3


@given(own=sequences)
def test_every_node_is_a_prefix_and_sees_those_above_it(own: list[list[int]]) -> None:
    tree = build_tree(own)
    paths: list[list[int]] = []
    for node, parent in enumerate(tree.parents):
        paths.append([*(paths[parent] if parent >= 0 else []), int(tree.tokens[node])])
    assert [paths[node] for node in tree.last] == own
    assert len({tuple(path) for path in paths}) == len(tree)
    every = np.arange(len(tree))
    sees = tree.sees(every)
    for row in every:
        above = [node for node in every if paths[row][: len(paths[node])] == paths[node]]
        assert np.flatnonzero(sees[row]).tolist() == above == tree.with_ancestors(every[row : row + 1]).tolist()
    children, places = tree.children(every[::2])
    assert (every[::2][places] == tree.parents[children]).all()
    assert len(children) == np.isin(tree.parents, every[::2]).sum()


@pytest.mark.parametrize("method", METHODS)
@families
def test_parts_give_the_sums_of_the_whole(family: str, method: str) -> None:
    asked = eight_questions()[1:4]
    expected = np.array(
        [found.sums for found in ranker(family, is_double=True).rank(asked, [LIST] * 3, method="naive")]
    )
    made = Ranker(double_answerer(family))
    whole = made.memory
    for limit in (1, 40_000, 100_000):  # 1 byte: a node or a row at a time
        made.memory = replace(whole, limit=limit)
        found = np.array([ranking.sums for ranking in made.rank(asked, [LIST] * 3, method=method)])
        require_agreement(method, found, expected, 1e-9)
    assert replace(whole, limit=1).num_nodes(1, 20) == 1 < replace(whole, limit=100_000).num_nodes(1, 20) < MAX_NODES


@families
@settings(max_examples=6, deadline=None)
@given(own=sequences, num_nodes=st.integers(1, 9))
def test_any_tree_in_parts(family: str, own: list[list[int]], num_nodes: int) -> None:
    texts = [" ".join(("red", "a", "white", "circle")[number] for number in sequence) for sequence in own]
    made = Ranker(double_answerer(family))
    (expected,) = made.rank([RED], [texts], method="prefix")
    made.memory = _Fixed(num_nodes)
    for method in ("tree", "best_first"):
        (found,) = made.rank([RED], [texts], method=method)
        require_agreement(method, found.sums[None], expected.sums[None], 1e-9)


class _Fixed:
    """In place of a Memory: so many nodes, one prompt."""

    def __init__(self, num_nodes: int) -> None:
        self.nodes = num_nodes

    def num_nodes(self, *_: int) -> int:
        return self.nodes

    def num_prompts(self, *_: int) -> int:
        return 1

    def after(self, _: int) -> "_Fixed":
        return self


def test_memory_bounds_a_pass() -> None:
    sizes = {"vocabulary_size": 32_000, "width": 4096, "num_heads": 32, "itemsize": 2, "kept": 2 * 32 * 4096 * 2}
    for limit in (10**7, 10**8, 10**9, 10**10):
        memory = Memory(limit=limit, **sizes)
        nodes = memory.num_nodes(1, 145)
        assert nodes in (1, MAX_NODES) or 0.9 * limit < nodes * (nodes + 145) * 3 * 64 + nodes * memory._token <= limit
    assert memory.num_prompts(80, 20) == 16 > memory.num_prompts(400, 100) == 4 > memory.num_prompts(9000, 1000) == 1


def test_the_keys_and_values_of_prompts_count() -> None:
    memory = Memory(limit=10**9, vocabulary_size=32_000, width=4096, num_heads=32, itemsize=2, kept=524_288)
    assert memory.num_prompts(120, 8) == 7  # 7 * 120 * 524,288 is the most below a half
    assert memory.num_prompts(5000, 8) == 1
    assert memory.after(7 * 120).limit == 10**9 - 7 * 120 * 524_288
    assert memory.after(5000).limit == 10**9 // 2
    assert 0 < memory.after(7 * 120).num_nodes(7, 120) < memory.num_nodes(7, 120)


def test_a_pass_on_a_cpu_has_half_the_nodes() -> None:
    assert ranker().memory.num_nodes(1, 20) == 256 == MAX_NODES // 2


@pytest.mark.parametrize("family", ["llama", "gemma2", "t5", "mistral"])
def test_what_a_token_of_a_prompt_keeps(family: str) -> None:
    made = ranker(family)
    model = made.answerer.model.language_model
    start = None if made.answerer.loaded.is_causal else 0
    read = read_prompts(model, torch.zeros(1, 9, model.config.hidden_size), torch.ones(1, 9, dtype=torch.int64), start)
    layers = read.layers if read.cross is None else read.cross
    assert made.memory.kept * 9 == sum(part.nbytes for layer in layers for part in layer)


def test_running_out_of_memory_names_what_helps(monkeypatch) -> None:
    made = Ranker(toy_answerer())

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(packed, "node_log_probs", full)
    with pytest.raises(IbDataError, match=r"memory of cpu .* 1 questions with 10 candidates; .*--batch-size.*Ranker"):
        made.rank([RED], [LIST])


@families
def test_the_search_reads_few_nodes_of_a_sure_model(family: str, monkeypatch) -> None:
    made, read = Ranker(toy_answerer.__wrapped__(family)), []
    made.answerer.model.language_model.get_output_embeddings().weight.data *= 30
    words = ["red", "green", "blue", "a", "white", "on", "circle", "square", "yellow", "Caption:"]
    texts = [" ".join(words[int(digit)] for digit in f"{number:03}") for number in range(1000)]
    whole = made.rank([RED], [texts])[0].sums
    before = best_first.node_log_probs

    def counted(given, tree, nodes, end_id):
        read.append(len(nodes))
        return before(given, tree, nodes, end_id)

    monkeypatch.setattr(best_first, "node_log_probs", counted)
    found = made.rank([RED], [texts], only_best=True)[0].sums
    require_agreement("best_first", found[None], whole[None], 1e-4)
    assert np.isneginf(found).sum() == 999
    assert sum(read) < 222, "a fifth of the tree"


@families
def test_several_questions_with_a_long_list_are_searched(family: str) -> None:
    words = ["red", "green", "blue", "a", "white", "on", "circle", "square", "yellow"]
    texts = [f"{first} {second} {third}" for first in words for second in words for third in words]
    asked = eight_questions()[:3]
    whole, found = (ranker(family).rank(asked, [texts] * 3, only_best=only_best) for only_best in (False, True))
    for one, known in zip(found, whole, strict=True):
        require_agreement("best_first", one.sums[None], known.sums[None], 1e-4)


def test_a_short_list_is_not_searched() -> None:
    (found,) = ranker().rank([RED], [LIST], only_best=True)
    assert np.isfinite(found.sums).all()


@pytest.mark.parametrize("change", ["family", "attention", "window"])
def test_a_model_that_cannot_read_trees_takes_the_prefix_method(change: str, monkeypatch, capsys) -> None:
    made = Ranker(toy_answerer.__wrapped__("llama"))
    config = made.answerer.model.language_model.config
    (expected,) = made.rank([RED], [LIST], method="naive")
    name, value = {
        "family": ("model_type", "bloom"),
        "attention": ("_attn_implementation", "flash_attention_2"),
        "window": ("sliding_window", 12),
    }[change]
    assert made._method("tree", 11, made._candidates(LIST), False) == "tree"
    assert capsys.readouterr().err == ""
    setattr(config, name, value)
    assert made._method("tree", 11, made._candidates(LIST), False) == "prefix"
    assert made._method("best_first", 11, made._candidates(LIST), True) == "prefix"
    noted = capsys.readouterr().err
    assert noted.count("cannot read candidates as a tree") == 1
    assert f"this {config.model_type} model" in noted
    if change != "attention":
        monkeypatch.setattr(packed, "node_log_probs", None)
        longer = Asked("a red circle", RED.media)
        found, _ = made.rank([RED, longer], [LIST, LIST])
        np.testing.assert_allclose(found.sums, expected.sums, rtol=0, atol=1e-5)
