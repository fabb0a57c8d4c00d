"""Ranks candidate answers by the log-likelihood of their tokens and the end token."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ib_data.console import note
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
_QUESTIONS_ENCODED = 16  # at a time


class Ranker:
    """Ranks candidates with the model of an answerer.

    Scores do not depend, beyond rounding, on the method or on what else is asked; equal candidates have equal ones.
    `memory_mb` limits what a pass needs beyond the model, in MB.
    """

    def __init__(self, answerer: Answerer, *, memory_mb: int = MEMORY_MB) -> None:
        self.answerer = answerer
        self.memory = Memory.of(answerer.model.language_model, memory_mb * 1_000_000)
        self._frames = FrameFeatures()
        self._has_noted = False
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
        soft = self._soft_prompts(prepared)
        found: dict[int, Ranking] = {}
        for chosen, places in self._groups(prepared, lists, method, only_best):
            own = lists[places[0]]
            prompts = torch.cat([soft[place] for place in places])
            sums = self._sums([prepared[place].prompt for place in places], prompts, own, chosen)
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
            self._note_slower()
            return "prefix"
        # A tree that one or two passes read gains nothing by a search.
        return "best_first" if only_best and len(candidates.tree) > MAX_NODES else method

    def _note_slower(self) -> None:
        """Say once that the tree cannot be read."""
        if not self._has_noted:
            kind = self.answerer.model.language_model.config.model_type
            note(f"this {kind} model cannot read candidates as a tree: each is read alone, which is slower")
            self._has_noted = True

    def _groups(
        self, prepared: Sequence[Prepared], lists: Sequence[Candidates], method: str, only_best: bool
    ) -> Iterator[tuple[str, list[int]]]:
        """The places of questions that are ranked together, and how: with one list of candidates, of similar length."""
        by_list: dict[int, list[int]] = {}
        for place, own in enumerate(lists):
            by_list.setdefault(id(own), []).append(place)
        for places in by_list.values():
            places.sort(key=lambda place: len(prepared[place].prompt))
            own, longest = lists[places[0]], len(prepared[places[-1]].prompt)
            chosen = self._method(method, longest, own, only_best)
            size = self.memory.num_prompts(longest, len(own.tree)) if chosen == "tree" else 1
            for first in range(0, len(places), size):
                yield chosen, places[first : first + size]

    @torch.no_grad()
    def _soft_prompts(self, prepared: Sequence[Prepared]) -> dict[int, Tensor]:
        """The soft prompts (F, Q, D) of each question; those about the same image are next to each other."""
        found: dict[int, Tensor] = {}
        order = sorted(range(len(prepared)), key=lambda place: prepared[place].frames[0].tobytes())
        for first in range(0, len(order), _QUESTIONS_ENCODED):
            places = order[first : first + _QUESTIONS_ENCODED]
            part = [prepared[place] for place in places]
            with self._computing(f"the images of {len(part)} questions"):
                prompts = self.answerer.soft_prompts(part, self._frames)
            found |= zip(places, torch.split(prompts, [len(one.frames) for one in part]), strict=True)
        return found

    @torch.no_grad()
    def _sums(self, rows: Sequence[Sequence[int]], prompts: Tensor, candidates: Candidates, method: str) -> Floats:
        """Log-likelihoods (B, C) of candidates after prompts of these ids, with the soft prompts (N, Q, D) of all."""
        answerer = self.answerer
        model, start, end = answerer.model.language_model, answerer.loaded.decoder_start_id, self._end_id
        padded = right_padded(rows, answerer.loaded.tokenizers.pad_id)
        ids, mask = (part.to(answerer.device) for part in padded)
        with self._computing(f"{len(rows)} questions with {len(candidates.ids):,} candidates"):
            embeddings = language_inputs(answerer.model, prompts, ids)
            if method == "naive":
                num_rows = self.memory.num_whole_rows(ids.shape[1] + candidates.max_tokens)
                return naive_sums(model, embeddings, candidates, start, end, num_rows)
            read = read_prompts(model, embeddings, mask, start)
            memory = self.memory.after(ids.numel())
            if method == "prefix":
                num_rows = memory.num_rows(ids.shape[1], candidates.max_tokens)
                return prefix_sums(read, candidates, end, num_rows)
            search = tree_sums if method == "tree" else best_sums
            return search(read, candidates.tree, end, memory.num_nodes(*read.mask.shape))

    @property
    def _end_id(self) -> int:
        return self.answerer.loaded.tokenizers.eos_id

    @contextmanager
    def _computing(self, what: str) -> Iterator[None]:
        """In the block, the model computes `what`. Raises IbDataError if the memory of the GPU does not suffice."""
        try:
            with float32_on_cpu(), autocast(self.answerer.dtype, self.answerer.device), quiet_transformers():
                yield
        except torch.OutOfMemoryError as error:
            least = "fewer questions at a time (--batch-size) or less for each pass (memory_mb of Ranker) need less"
            place = self.answerer.device
            raise IbDataError(f"the memory of {place} does not suffice for {what}; {least}") from error
