"""A model that answers questions about images and clips; an answer never depends on the rest of its batch.

Shape letters as in `training/model/forward.py`: U unique frames, N pairs of a question and one of its frames, B
questions, L language-model tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList

from ib_data.errors import IbDataError
from ib_data.evaluation.answering import Asked, Frames, Generated
from ib_data.evaluation.decoding import Decoding
from ib_data.keyed import keyed_bits
from ib_data.media.frames import NUM_FRAMES
from ib_data.media.normalised import normalised
from ib_data.mixtures.loader.torch_defaults import float32_on_cpu
from ib_data.training.batch.padding import left_padded, right_padded
from ib_data.training.batch.row import RowMaker
from ib_data.training.generation.frame_features import FrameFeatures
from ib_data.training.generation.frames import squares
from ib_data.training.generation.processors import RepetitionPenalty, Sampling
from ib_data.training.generation.words import Words
from ib_data.training.model.forward import image_features, language_inputs, soft_prompt
from ib_data.training.model.load import LoadedModel
from ib_data.training.model.parts import autocast
from ib_data.training.model.quiet import quiet_transformers


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """A model ready to answer, in evaluation mode on `device`, with frozen parts of `dtype`.

    `num_frames` is how many frames of a clip it was trained on. `made_from` identifies its values: a checksum.
    `bos_token` and `activation` are what was set in place of the folder's own; empty if nothing was. `trained_on` are
    the datasets and splits of the training run, None if they are not known.
    """

    loaded: LoadedModel
    rows: RowMaker
    device: torch.device
    dtype: torch.dtype
    instruction_aware: bool = True
    num_frames: int = NUM_FRAMES
    made_from: str = ""
    bos_token: str = ""
    activation: str = ""
    trained_on: Sequence[tuple[str, str]] | None = None

    @property
    def model(self) -> Any:
        """The model, an InstructBlipForConditionalGeneration."""
        return self.loaded.model

    @property
    def image_px(self) -> int:
        """Side of the squares that the vision encoder takes, in pixels."""
        return int(self.loaded.config.vision_config.image_size)

    def generate(self, asked: Sequence[Asked], decoding: Decoding) -> list[str]:
        """The answers to questions, in order, without blanks at their ends; all in one batch.

        Raises IbDataError as `prepared` and `answers` do.
        """
        return self.answers([self.prepared(one, decoding) for one in asked], decoding)

    def generated(self, asked: Sequence[Asked], decoding: Decoding) -> list[Generated]:
        """The answers as `generate` gives them, each with its number of tokens before the end token."""
        rows = self._new_ids([self.prepared(one, decoding) for one in asked], decoding)
        return [self._generated(ids) for ids in rows]

    def _generated(self, ids: list[int]) -> Generated:
        end = self.loaded.tokenizers.eos_id
        new = ids if self.loaded.is_causal else ids[1:]  # a decoder's begin with its start
        is_truncated = end not in new
        return Generated(self.text_of(ids), len(new) if is_truncated else new.index(end), is_truncated)

    def answers(self, prepared: Sequence["Prepared"], decoding: Decoding) -> list[str]:
        """The answers to prepared questions, as `generate` gives them. Each distinct frame is encoded once.

        Raises IbDataError if the memory of the GPU does not suffice.
        """
        return [self.text_of(ids) for ids in self._new_ids(prepared, decoding)]

    def stream(self, asked: Asked, decoding: Decoding, say: Callable[[str], None]) -> None:
        """Answer one question, giving `say` the words as they come. Raises as `generate`, and for beams."""
        if decoding.num_beams > 1:
            remedy = "set num_beams to 1"
            raise IbDataError(
                f"num_beams is {decoding.num_beams}: beams are only chosen at the end; {remedy} to stream"
            )
        self._new_ids([self.prepared(asked, decoding)], decoding, Words(self.text_of, say))

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of new ids, without special tokens.

        The unknown token is dropped too: the released code maps Vicuna's, id 0, to the end token.
        """
        language = self.loaded.tokenizers.language
        unknown = getattr(language.backend.model, "unk_token", None)
        dropped = None if unknown is None else language.backend.token_to_id(unknown)
        return language.text(number for number in ids if number != dropped)

    def prepared(self, asked: Asked, decoding: Decoding) -> "Prepared":
        """A question as the model takes it. Raises IbDataError as `prompted`, and if an answer may not fit."""
        found = self.prompted(asked)
        limit = f"max_new_tokens is {decoding.max_new_tokens:,}"
        self.require_room(found, decoding.max_new_tokens, limit, "lower max_new_tokens")
        return found

    def prompted(self, asked: Asked) -> "Prepared":
        """A question as the model takes it, of any length.

        Raises IbDataError for one without images, with a damaged one, or whose prompt is not text.
        """
        if not asked.media:
            raise IbDataError("no image; give at least one image or clip")
        try:
            asked.prompt.encode("utf-8")
        except UnicodeEncodeError as error:
            raise IbDataError(f"the prompt is not text ({error.reason} at character {error.start})") from error
        frames = [frame for media in asked.media for frame in squares(media, self.image_px)]
        prompt = self.rows.prompt(asked.prompt, len(frames), truncate=False)
        return Prepared(frames=frames, prompt=prompt, qformer=self.rows.qformer(asked.prompt), text=asked.prompt)

    def require_room(self, prepared: "Prepared", num_new_tokens: int, limit: str, remedy: str) -> None:
        """Raise IbDataError if a prompt, or what is to follow it, does not fit the positions of the language model.

        `limit` says what asks for `num_new_tokens`, `remedy` how to ask for fewer.
        """
        room = getattr(
            self.loaded.config.text_config, "max_position_embeddings", None
        )  # T5's are relative: it has none
        num_tokens = len(prepared.prompt)
        needed = num_tokens + num_new_tokens if self.loaded.is_causal else max(num_tokens, num_new_tokens)
        if room is not None and needed > room:
            prompt = f"the prompt has {num_tokens:,} tokens with its images"
            limits = f"{limit}, the language model has {room:,} positions"
            raise IbDataError(f"{prompt}, {limits}; ask in fewer words, or {remedy}")

    @torch.no_grad()
    def _new_ids(
        self, prepared: Sequence["Prepared"], decoding: Decoding, words: Words | None = None
    ) -> list[list[int]]:
        """The ids of the answers, each with what pads it to the longest one."""
        if not prepared:
            return []
        tokenizers, device = self.loaded.tokenizers, self.device
        # New tokens of a causal model follow the last one of a row. An encoder ignores masked positions wherever they
        # are, but absolute ones (not T5's) must begin at 0, as in training.
        padded = left_padded if self.loaded.is_causal else right_padded
        ids, mask = (part.to(device) for part in padded([one.prompt for one in prepared], tokenizers.pad_id))
        try:
            with float32_on_cpu(), autocast(self.dtype, device), quiet_transformers():
                new_ids = self.model.language_model.generate(
                    inputs_embeds=language_inputs(self.model, self.soft_prompts(prepared), ids),
                    attention_mask=mask,
                    generation_config=self._config(decoding),
                    logits_processor=self._processors(prepared, decoding),
                    streamer=words,
                )
        except torch.OutOfMemoryError as error:
            size = f"{len(prepared)} questions with {decoding.num_beams} beams"
            raise IbDataError(
                f"the memory of {device} does not suffice for {size}; lower either (--batch-size, --num-beams)"
            ) from error
        found: list[list[int]] = new_ids.tolist()
        return found

    def soft_prompts(self, prepared: Sequence["Prepared"], kept: FrameFeatures | None = None) -> Tensor:
        """The soft prompts (N, Q, D) of all pairs, each one with the instruction of its question.

        Each distinct frame is encoded once, and with `kept` not again if it was asked about just before.
        """
        places: dict[bytes, int] = {}
        index = [places.setdefault(frame.tobytes(), len(places)) for one in prepared for frame in one.frames]
        frames = [np.frombuffer(frame, np.uint8).reshape(self.image_px, self.image_px, 3) for frame in places]
        features = self._features(frames) if kept is None else kept.of(frames, self._features)
        text: list[Tensor | None] = [None, None]
        if self.instruction_aware:
            rows = [one.qformer for one in prepared for _ in one.frames]
            text = [part.to(self.device) for part in right_padded(rows, self.loaded.tokenizers.qformer.pad_id)]
        return soft_prompt(self.model, features[torch.tensor(index, device=self.device)], *text)

    def _features(self, frames: Sequence[Frames]) -> Tensor:
        """The vision encoder's features (U, P, width)."""
        return image_features(self.model, normalised(torch.from_numpy(np.stack(frames)).to(self.device)))

    def _config(self, decoding: Decoding) -> GenerationConfig:
        """Everything that decoding depends on, since transformers takes what is None from the model's folder."""
        tokenizers = self.loaded.tokenizers
        beams: dict[str, Any] = {}
        if decoding.num_beams > 1:
            beams = {"length_penalty": decoding.length_penalty, "early_stopping": False}
        return GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False,
            num_beams=decoding.num_beams,
            max_new_tokens=decoding.max_new_tokens,
            min_new_tokens=decoding.min_new_tokens,
            pad_token_id=tokenizers.pad_id,
            bos_token_id=tokenizers.bos_id,
            eos_token_id=tokenizers.eos_id,
            decoder_start_token_id=self.loaded.decoder_start_id,
            **beams,
        )

    def _processors(self, prepared: Sequence["Prepared"], decoding: Decoding) -> LogitsProcessorList:
        found = LogitsProcessorList()
        if decoding.repetition_penalty != 1:
            found.append(RepetitionPenalty(decoding.repetition_penalty, num_given=int(not self.loaded.is_causal)))
        if decoding.temperature:
            seeds = [one.seed(decoding.seed) for one in prepared]
            found.append(Sampling(decoding.temperature, decoding.top_p, seeds))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A question as frames, uint8 (S, S, 3) each, and as ids for the language model and the Q-Former."""

    frames: list[Frames]
    prompt: list[int]
    qformer: list[int]
    text: str

    def seed(self, seed: int) -> int:
        """The seed of this question's own generator."""
        digest = blake2b(self.text.encode("utf-8"), digest_size=16)
        for frame in self.frames:
            digest.update(frame.tobytes())
        return keyed_bits(seed, f"training.generation {digest.hexdigest()}") % 2**63
