"""One annotation as token ids, for causal and for encoder-decoder language models.

Lengths and sides are those of the released code: an instruction keeps its last 128 tokens, a target its first 256, both
with their special tokens; a prompt for generation is not cut, the text of the Q-Former always is.
"""

from dataclasses import dataclass

from ib_data.templates.rendered import Rendered
from ib_data.training.model.tokenizers import Tokenizers


@dataclass(frozen=True, slots=True)
class Row:
    """The ids of an annotation. `prompt`: placeholders and instruction.

    `decoder`: what follows the prompt in a causal model, or the decoder's target ids. `learnt` says for each id of
    `decoder` whether it is a target: questions of a chat are not. `num_cut_*` are 1 if a text was longer than its
    limit.
    """

    prompt: list[int]
    decoder: list[int]
    learnt: list[bool]
    qformer: list[int]
    cut_target: bool
    cut_instruction: bool

    @property
    def length(self) -> int:
        """The number of language-model tokens, for grouping by length."""
        return len(self.prompt) + len(self.decoder)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMaker:
    """Makes rows. `is_causal`: the target continues the prompt; otherwise a decoder of its own reads it."""

    tokenizers: Tokenizers
    num_query_tokens: int
    is_causal: bool
    max_instruction_tokens: int
    max_target_tokens: int

    def row(self, rendered: Rendered, num_frames: int) -> Row:
        """The row of an example with a target.

        An encoder-decoder model reads the earlier turns of a chat in its encoder, and learns the last answer.
        """
        segments = list(rendered.segments)
        if not self.is_causal and len(segments) > 2:
            segments = [("\n".join(text for text, _ in segments[:-1]), False), segments[-1]]
        (first, _), *rest = segments
        decoder: list[int] = []
        learnt: list[bool] = []
        cuts = {True: False, False: self._is_long(first)}
        for text, is_target in rest:
            ids = self.tokenizers.language.ids(text)
            piece = self._target(ids) if is_target else _last(ids, self._room)
            cuts[is_target] |= len(ids) >= self.max_target_tokens if is_target else len(ids) > self._room
            decoder += piece
            learnt += [is_target] * len(piece)
        asked = "\n".join(text for text, is_target in rendered.segments if not is_target)
        return Row(self.prompt(first, num_frames), decoder, learnt, self.qformer(asked), cuts[True], cuts[False])

    def prompt(self, instruction: str, num_frames: int, *, truncate: bool = True) -> list[int]:
        """Placeholders of every frame, then the instruction with its special tokens; queries come before BOS."""
        content = self.tokenizers.language.ids(instruction)
        kept = _last(content, self._room) if truncate else content
        image = [self.tokenizers.image_id] * (self.num_query_tokens * num_frames)
        return [*image, *self._prefix, *kept, *self._suffix]

    def qformer(self, instruction: str) -> list[int]:
        """The instruction for the Q-Former: [CLS], the end of its text, [SEP]; never a target, which would leak."""
        of = self.tokenizers.qformer
        kept = _last(of.ids(instruction), self.max_instruction_tokens - len(of.prefix) - len(of.suffix))
        return [*of.prefix, *kept, *of.suffix]

    def _target(self, ids: list[int]) -> list[int]:
        """A target and EOS. A cut target has no EOS, so that the model does not learn to stop mid-sentence."""
        return [*ids, self.tokenizers.eos_id][: self.max_target_tokens]

    def _is_long(self, instruction: str) -> bool:
        return len(self.tokenizers.language.ids(instruction)) > self._room

    @property
    def _prefix(self) -> tuple[int, ...]:
        return self.tokenizers.language.prefix

    @property
    def _suffix(self) -> tuple[int, ...]:
        """The special tokens after an instruction: those of an encoder; in a causal model the target follows."""
        return () if self.is_causal else self.tokenizers.language.suffix

    @property
    def _room(self) -> int:
        return self.max_instruction_tokens - len(self._prefix) - len(self._suffix)


def _last(ids: list[int], count: int) -> list[int]:
    return ids[-count:] if count > 0 else []
