"""One annotation as token ids, for causal and for encoder-decoder language models.

Lengths and sides are those of the released code: an instruction keeps its last 128 tokens, a target its first 256, both
with their special tokens; a prompt for generation is not cut, the text of the Q-Former always is.
"""

from dataclasses import dataclass

from ib_data.templates.rendered import Rendered
from ib_data.training.text.tokenizers import Tokenizers


@dataclass(frozen=True, slots=True)
class Row:
    """The ids of an annotation. `prompt`: placeholders and instruction; `qformer`: the Q-Former's text.

    `output`: what follows the prompt in a causal model, or what the decoder of an encoder-decoder model gives.
    `learnt` says for each id of `output` whether it is a target: questions of a chat are not. `cut_target` and
    `cut_instruction`: whether one of the texts for the language model was longer than its limit.
    """

    prompt: list[int]
    output: list[int]
    learnt: list[bool]
    qformer: list[int]
    cut_target: bool
    cut_instruction: bool

    @property
    def length(self) -> int:
        """The number of language-model tokens, for grouping by length."""
        return len(self.prompt) + len(self.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMaker:
    """Makes rows. `is_causal`: the target continues the prompt; otherwise it is the output of a decoder."""

    tokenizers: Tokenizers
    num_query_tokens: int
    is_causal: bool
    max_instruction_tokens: int
    max_target_tokens: int

    def row(self, rendered: Rendered, num_frames: int, *, reads_text: bool = True) -> Row:
        """The row of an example with a target; its `qformer` is empty unless the Q-Former `reads_text`.

        An encoder-decoder model reads the earlier turns of a chat in its encoder, and learns the last answer.
        """
        segments = list(rendered.segments)
        asked = "\n".join(text for text, is_target in segments if not is_target) if reads_text else None
        if not self.is_causal and len(segments) > 2:
            segments = [("\n".join(text for text, _ in segments[:-1]), False), segments[-1]]
        first, *rest = ((self.tokenizers.language.ids(text), is_target) for text, is_target in segments)
        output: list[int] = []
        learnt: list[bool] = []
        is_cut = {True: False, False: len(first[0]) > self._room}
        for ids, is_target in rest:
            whole = self._ended(ids) if is_target else ids
            # A cut target has no EOS, so that the model does not learn to stop mid-sentence.
            piece = whole[: self.max_target_tokens] if is_target else _last(whole, self._room)
            is_cut[is_target] |= len(piece) < len(whole)
            output += piece
            learnt += [is_target] * len(piece)
        return Row(
            prompt=self._prompt(_last(first[0], self._room), num_frames),
            output=output,
            learnt=learnt,
            qformer=[] if asked is None else self.qformer(asked),
            cut_target=is_cut[True],
            cut_instruction=is_cut[False],
        )

    def prompt(self, instruction: str, num_frames: int, *, truncate: bool = True) -> list[int]:
        """Placeholders of every frame, then the instruction with its special tokens; queries come before BOS."""
        ids = self.tokenizers.language.ids(instruction)
        return self._prompt(_last(ids, self._room) if truncate else ids, num_frames)

    def target(self, text: str) -> list[int]:
        """A target with its end token, as in training but for the limit: it is not cut."""
        return self._ended(self.tokenizers.language.ids(text))

    def qformer(self, instruction: str) -> list[int]:
        """The instruction for the Q-Former: [CLS], the end of its text, [SEP]; never a target, which would leak."""
        of = self.tokenizers.qformer
        kept = _last(of.ids(instruction), self.max_instruction_tokens - len(of.prefix) - len(of.suffix))
        return [*of.prefix, *kept, *of.suffix]

    def _ended(self, ids: list[int]) -> list[int]:
        return [*ids, self.tokenizers.eos_id]

    def _prompt(self, ids: list[int], num_frames: int) -> list[int]:
        image = [self.tokenizers.image_id] * (self.num_query_tokens * num_frames)
        return [*image, *self.tokenizers.language.prefix, *ids, *self._suffix]

    @property
    def _suffix(self) -> tuple[int, ...]:
        """The special tokens after an instruction: those of an encoder; in a causal model the target follows."""
        return () if self.is_causal else self.tokenizers.language.suffix

    @property
    def _room(self) -> int:
        """How many tokens of an instruction are kept."""
        return self.max_instruction_tokens - len(self.tokenizers.language.prefix) - len(self._suffix)


def _last(ids: list[int], count: int) -> list[int]:
    return ids[-count:] if count > 0 else []
