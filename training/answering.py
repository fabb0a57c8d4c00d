"""A trained model as evaluation asks it: `generate` and `rank`."""

from collections.abc import Mapping, Sequence
from typing import Any

from ib_data.evaluation.answering import Asked, Generated, Ranking
from ib_data.evaluation.decoding import Decoding
from ib_data.home import Home
from ib_data.stream_options import ImageOptions
from ib_data.training.generation.answerer import Answerer
from ib_data.training.generation.opened import identity
from ib_data.training.ranking.ranker import Ranker


class ModelAnswers:
    """An `Answerer` as the `Model` of an evaluation. `name` is what the user called it.

    `method` is how candidates are ranked, one of METHODS of `training/ranking/ranker.py`; scores do not depend on it.
    `identity` holds a checksum of its values and the settings that its answers depend on.
    """

    def __init__(self, answerer: Answerer, name: str, home: Home, *, method: str = "tree") -> None:
        self._answerer, self._ranker, self._method = answerer, Ranker(answerer), method
        self.trained_on = answerer.trained_on
        self.images = ImageOptions(image_px=answerer.image_px, frames=answerer.num_frames)
        changed = {"bos_token": answerer.bos_token, "activation": answerer.activation}
        self.identity: Mapping[str, Any] = {
            "name": name,
            "values": identity(answerer, home),
            "language_model": answerer.loaded.config.text_config.model_type,
            "instruction_aware": answerer.instruction_aware,
            **{key: value for key, value in changed.items() if value},
            "precision": str(answerer.dtype).removeprefix("torch."),
            "device": answerer.device.type,
        }

    @property
    def is_causal(self) -> bool:
        """Whether the language model has no encoder."""
        return self._answerer.loaded.is_causal

    def generate(self, asked: Sequence[Asked], decoding: Decoding) -> Sequence[Generated]:
        """The answers, in order, all in one batch. Raises IbDataError as `Answerer.generate`."""
        return self._answerer.generated(asked, decoding)

    def rank(
        self, asked: Sequence[Asked], candidates: Sequence[Sequence[str]], *, only_best: bool = False
    ) -> Sequence[Ranking]:
        """The ranking of each question's own candidates, in order. Raises IbDataError as `Ranker.rank`."""
        return self._ranker.rank(asked, candidates, only_best=only_best, method=self._method)
