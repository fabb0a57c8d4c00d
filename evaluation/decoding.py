"""How an answer is chosen: settings with their ranges, and the presets of the released code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ib_data.errors import IbDataError, did_you_mean
from ib_data.settings import check_settings, setting
from ib_data.templates.render_options import MAX_TARGET_TOKENS


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """The settings of decoding. Without `num_beams` and `temperature` the likeliest next token is taken: greedy.

    Lengths count new tokens only. The repetition penalty counts tokens of the answer only, never of the prompt. A
    sampled answer depends on the seed, the prompt and the images, not on what else is asked. Raises IbDataError for
    values that are not allowed or do not fit together.
    """

    num_beams: int = setting(1, "Answers that beam search keeps at a time; 1: no beam search.", least=1, most=64)
    max_new_tokens: int = setting(MAX_TARGET_TOKENS, "Longest answer, in tokens.", least=1, most=65_536)
    min_new_tokens: int = setting(0, "Shortest answer, in tokens.", least=0, most=65_536)
    length_penalty: float = setting(
        1.0, "With beams: above 0 prefers long answers, below 0 short ones.", least=-100, most=100
    )
    repetition_penalty: float = setting(
        1.0, "Above 1: an answer repeats its own tokens less. Tokens of the prompt do not count.", least=0.01, most=1e6
    )
    temperature: float = setting(0.0, "Above 0: sample at this temperature, without beams.", least=0, most=100)
    top_p: float = setting(
        1.0, "Sample among the likeliest tokens that have this probability together.", least=0.001, most=1
    )
    seed: int = setting(0, "Seed of sampling.")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.min_new_tokens > self.max_new_tokens:
            values = f"min_new_tokens is {self.min_new_tokens}, max_new_tokens {self.max_new_tokens}"
            raise IbDataError(f"{values}; lower the first or raise the second")
        if self.temperature and self.num_beams > 1:
            remedy = "set num_beams to 1 to sample, or temperature to 0"
            raise IbDataError(f"temperature is {self.temperature:g} with num_beams {self.num_beams}; {remedy}")
        if self.top_p < 1 and not self.temperature:
            raise IbDataError(f"top_p is {self.top_p:g}, but nothing is sampled; set temperature, such as 1")


# Those of LAVIS for Vicuna, as its evaluation really runs: 5 beams, and never a penalty below or above what is here.
# FlanT5 differs in two ways. The length penalty of `vqa` is -1 there, and 0 for Vicuna, because Vicuna's tasks do not
# pass the -1 of their configuration on. And LAVIS passes `min_length`, which counts the token that a decoder begins
# with, so that an answer may be one token shorter. What differs still: the transformers of LAVIS also counts that token
# where it divides the score of a beam by its length, so with a length penalty it may choose another beam of FlanT5.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "greedy": {},
    "vqa": {"num_beams": 5, "max_new_tokens": 10, "min_new_tokens": 1, "repetition_penalty": 1.5},
    "caption": {"num_beams": 5, "max_new_tokens": 80, "min_new_tokens": 10, "repetition_penalty": 1.15},
}


def preset(name: str, *, is_causal: bool, **changes: Any) -> Decoding:
    """The decoding of a preset for a causal or an encoder-decoder language model, with single settings changed.

    Raises IbDataError for an unknown preset, and as `Decoding` does.
    """
    if name not in PRESETS:
        raise IbDataError(f"unknown preset {name!r}; {did_you_mean(name, PRESETS)}")
    values = dict(PRESETS[name])
    if name == "vqa":
        values["length_penalty"] = 0.0 if is_causal else -1.0
    if not is_causal and "min_new_tokens" in values:
        values["min_new_tokens"] -= 1
    return Decoding(**{**values, **changes})
