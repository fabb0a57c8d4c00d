"""Ranks candidate answers by the log-likelihood of their tokens and the end token."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import torch

from ib_data.errors import IbDataError, did_you_mean
from ib_data.evaluation.answering import Asked, Ranking
from ib_data.mixtures.loader.torch_defaults import float32_on_cpu
from ib_data.training.batch.padding import right_padded
from ib_data.training.generation.answerer import Answerer, Prepared
from ib_data.training.generation.frame_features import FrameFeatures
from ib_data.training.model.forward import language_inputs
from ib_data.training.model.parts import autocast
from ib_data.training.model.quiet import quiet_transformers
from ib_data.training.ranking.best_first import best_sums
from ib_data.training.ranking.candidates import Candidates, read_candidates
from ib_data.training.ranking.log_probs import Floats
from ib_data.training.ranking.memory import MAX_NODES, Memory
from ib_data.training.ranking.naive import naive_sums
from ib_data.training.ranking.packed import tree_sums
from ib_data.training.ranking.prefix import prefix_sums
from ib_data.training.ranking.prompt import read_prompts
from ib_data.training.ranking.tree_pass import can_read_trees

METHODS = ("naive", "prefix", "tree", "best_first")
MEMORY_MB = 1024
_LISTS_KEPT = 8


class Ranker:
    """Ranks candidates with the model of an answerer.

    Scores do not depend, beyond rounding, on the method or on what else is asked; equal candidates have equal ones.
    `memory_mb` limits what a pass needs beyond the model, in MB.
    """

    def __init__(self, answerer: Answerer, *, memory_mb: int = MEMORY_MB) -> None:
        self.answerer = answerer
        self.memory = Memory.of(answerer.model.language_model, memory_mb * 1_000_000)
        self._frames = FrameFeatures()
        self._lists: OrderedDict[tuple[str, ...], Candidates] = OrderedDict()

    def rank(
        self,
        asked: Sequence[Asked],
        candidates: Sequence[Sequence[str]],
        *,
        only_best: bool = False,
        method: str = "tree",
    ) -> list[Ranking]:
        """The ranking of each question's own candidates, in order; `method` is one of METHODS.

        With `only_best` a tree may be searched best first: the sums of all but the best and its equals are -inf. A
        model that cannot read trees (see `tree_pass`) takes the prefix method in their place. Questions with equal
        lists share the work on them. Raises IbDataError for a question that cannot be asked, and
        for a list without candidates or with one that is empty or not text.
        """
        if method not in METHODS:
            raise IbDataError(f"unknown method {method!r}; {did_you_mean(method, METHODS)}")
        if len(asked) != len(candidates):
            raise IbDataError(f"{len(asked)} questions with {len(candidates)} lists of candidates; give one each")
        lists = [self._candidates(texts) for texts in candidates]
        prepared = [self._prepared(one, own) for one, own in zip(asked, lists, strict=True)]
        found: dict[int, Ranking] = {}
        for places in self._groups(prepared, lists, method):
            own = lists[places[0]]
            chosen = self._method(method, max(len(prepared[place].prompt) for place in places), own, only_best)
            sums = self._sums([prepared[place] for place in places], own, chosen)
            found |= {place: own.ranking(row) for place, row in zip(places, sums, strict=True)}
        return [found[place] for place in range(len(asked))]

    def _candidates(self, texts: Sequence[str]) -> Candidates:
        """A list of candidates; the last few lists are kept."""
        is_list = not isinstance(texts, str) and all(isinstance(text, str) for text in texts)
        key = tuple(texts) if is_list else ()
        if key not in self._lists:  # never (), which cannot be read
            self._lists[key] = read_candidates(texts, self.answerer.rows)
        self._lists.move_to_end(key)
        while len(self._lists) > _LISTS_KEPT:
            self._lists.popitem(last=False)
        return self._lists[key]

    def _prepared(self, asked: Asked, candidates: Candidates) -> Prepared:
        prepared = self.answerer.prompted(asked)
        limit = f"the longest candidate has {candidates.max_tokens:,}"
        self.answerer.require_room(prepared, candidates.max_tokens, limit, "leave the longest candidates out")
        return prepared

    def _method(self, method: str, num_tokens: int, candidates: Candidates, only_best: bool) -> str:
        """The method that is taken for questions of up to `num_tokens` tokens."""
        if method in ("naive", "prefix"):
            return method
        if not can_read_trees(self.answerer.model.language_model, num_tokens + candidates.max_tokens):
            return "prefix"
        # A tree that one pass reads gains nothing by a search.
        return "best_first" if only_best and len(candidates.tree) > MAX_NODES else method

    def _groups(self, prepared: Sequence[Prepared], lists: Sequence[Candidates], method: str) -> Iterator[list[int]]:
        """The places of questions that are ranked together: with one list of candidates, of similar length."""
        by_list: dict[int, list[int]] = {}
        for place, own in enumerate(lists):
            by_list.setdefault(id(own), []).append(place)
        for places in by_list.values():
            places.sort(key=lambda place: len(prepared[place].prompt))
            longest = len(prepared[places[-1]].prompt)
            size = self.memory.num_prompts(longest + len(lists[places[0]].tree)) if method == "tree" else 1
            for first in range(0, len(places), size):
                yield places[first : first + size]

    @torch.no_grad()
    def _sums(self, prepared: Sequence[Prepared], candidates: Candidates, method: str) -> Floats:
        """Log-likelihoods (B, C) of candidates after each of the questions."""
        answerer = self.answerer
        model, device, start = answerer.model, answerer.device, answerer.loaded.decoder_start_id
        tokenizers, language_model = answerer.loaded.tokenizers, model.language_model
        prompts = [one.prompt for one in prepared]
        ids, mask = (part.to(device) for part in right_padded(prompts, tokenizers.pad_id))
        try:
            with float32_on_cpu(), autocast(answerer.dtype, device), quiet_transformers():
                embeddings = language_inputs(model, answerer.soft_prompts(prepared, self._frames), ids)
                if method == "naive":
                    num_rows = self.memory.num_whole_rows(ids.shape[1] + candidates.max_tokens)
                    return naive_sums(language_model, embeddings, candidates, start, tokenizers.eos_id, num_rows)
                read = read_prompts(language_model, embeddings, mask, start)
                if method == "prefix":
                    num_rows = self.memory.num_rows(ids.shape[1], candidates.max_tokens)
                    return prefix_sums(read, candidates, tokenizers.eos_id, num_rows)
                search = tree_sums if method == "tree" else best_sums
                num_nodes = self.memory.num_nodes(*read.mask.shape)
                return search(read, candidates.tree, tokenizers.eos_id, num_nodes)
        except torch.OutOfMemoryError as error:
            size = f"{len(prepared)} questions with {len(candidates.ids):,} candidates"
            raise IbDataError(f"the memory of {device} does not suffice for {size}; lower memory_mb") from error
