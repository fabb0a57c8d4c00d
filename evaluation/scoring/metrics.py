"""All metrics by name. To add one:

1. Write its function in a file of `evaluation/metrics`: aligned predictions and references to `Scores`.
2. Add its description to METRICS in `cards/facts.py`.
3. Add its record here. For texts against the references of each case, `Metric(function=my_metric)` is all; then
   `ib-data score --metric my-metric` works for files, too. A metric that needs more has an adapter in `scorers`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ib_data.evaluation.metrics.accuracy import PROFILES as OF_TEXTS
from ib_data.evaluation.metrics.accuracy import accuracy
from ib_data.evaluation.metrics.aokvqa import direct_answer
from ib_data.evaluation.metrics.captions.bleu import bleu
from ib_data.evaluation.metrics.captions.cider import cider
from ib_data.evaluation.metrics.captions.java import meteor, spice
from ib_data.evaluation.metrics.captions.rouge_l import rouge_l
from ib_data.evaluation.metrics.ivqa import ivqa_accuracy
from ib_data.evaluation.metrics.question_match import exact_match
from ib_data.evaluation.metrics.scores import Scores
from ib_data.evaluation.metrics.vqa_accuracy import vqa_accuracy
from ib_data.evaluation.metrics.vqa_text import PROFILES as OF_VQA
from ib_data.evaluation.scoring import scorers
from ib_data.evaluation.scoring.scorers import Aligned


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How cases are scored by a metric.

    `function` takes predicted texts and the references of each, and a `profile` if there are some (the first one is the
    default); None if texts are not enough. `adapter` scores cases in its place. `has_one_answer`: it compares with one
    text instead of several. `of_annotators`: its references are the answers of several annotators. `of_options`: the
    right answer is an option. `is_loss`: no fraction, and lower is better. `is_whole`: the value of a case depends on
    which others are scored, so that a part is scored again. `needs`: what a prediction must have besides a text.
    """

    function: Callable[..., Scores] | None = None
    adapter: Callable[[Aligned], Scores] | None = None
    profiles: tuple[str, ...] = ()
    has_one_answer: bool = False
    of_annotators: bool = False
    of_options: bool = False
    is_loss: bool = False
    is_whole: bool = False
    needs: str = ""

    def score(self, what: Aligned) -> Scores:
        """The scores of cases, by the profile of their protocol."""
        if self.adapter:
            return self.adapter(what)
        assert self.function is not None
        golds = what.answers if self.has_one_answer else what.references
        profile = {"profile": what.protocol.profile} if self.profiles else {}
        return self.function(what.texts, golds, **profile)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "cider": Metric(function=cider, adapter=scorers.captions, is_whole=True),
        "bleu": Metric(function=bleu),
        "rouge-l": Metric(function=rouge_l),
        "meteor": Metric(function=meteor, is_whole=True),
        "spice": Metric(function=spice),
        "vqa-accuracy": Metric(function=vqa_accuracy, profiles=OF_VQA, of_annotators=True),
        "aokvqa-accuracy": Metric(function=direct_answer, of_annotators=True),
        "ivqa-accuracy": Metric(function=ivqa_accuracy, adapter=scorers.ivqa, profiles=OF_TEXTS, of_annotators=True),
        "accuracy": Metric(function=accuracy, adapter=scorers.answer_accuracy, profiles=OF_TEXTS, has_one_answer=True),
        "exact-match": Metric(function=exact_match),
        "gqa-accuracy": Metric(adapter=scorers.gqa, profiles=OF_TEXTS),
        "choice-accuracy": Metric(adapter=scorers.choice, of_options=True),
        "token-loss": Metric(adapter=scorers.token_loss, is_loss=True, needs="scores and num_tokens"),
        "mrr": Metric(adapter=scorers.mrr, of_options=True, needs="ranks or scores"),
        "roc-auc": Metric(adapter=scorers.area, needs="a score"),
    }
)
LOSSES = frozenset(name for name, metric in METRICS.items() if metric.is_loss)
