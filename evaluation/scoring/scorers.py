"""From cases and predictions to the arguments of each metric. A missing prediction is an empty text, and wrong."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.metrics.accuracy import accuracy, vocabulary_accuracy
from ib_data.evaluation.metrics.aokvqa import direct_answer
from ib_data.evaluation.metrics.captions.bleu import bleu
from ib_data.evaluation.metrics.captions.cider import cider
from ib_data.evaluation.metrics.captions.rouge_l import rouge_l
from ib_data.evaluation.metrics.choice import choice_accuracy, letter_choice
from ib_data.evaluation.metrics.gqa import gqa_breakdown
from ib_data.evaluation.metrics.ivqa import ivqa_accuracy
from ib_data.evaluation.metrics.question_match import exact_match
from ib_data.evaluation.metrics.ranks import ndcg, rank_metrics, ranks_of
from ib_data.evaluation.metrics.roc_auc import roc_auc
from ib_data.evaluation.metrics.scores import Scores
from ib_data.evaluation.metrics.vqa_accuracy import vqa_accuracy
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.scoring.golds import counted, extra_at, label_of, majority, references


@dataclass(frozen=True, slots=True)
class Scored:
    """What is scored: aligned cases and predictions, and the answers of the training split if they are known."""

    protocol: Protocol
    cases: Sequence[Case]
    predictions: Sequence[Prediction]
    vocabulary: Collection[str] | None = None

    @property
    def texts(self) -> list[str]:
        """The predicted texts, in the order of the cases; those of labels as the label that they mean."""
        texts = [prediction.answer for prediction in self.predictions]
        return [label_of(self.protocol, text) for text in texts] if self.protocol.verbalisers else texts

    @property
    def references(self) -> list[list[str]]:
        """The references of each case."""
        return [references(self.protocol, case) for case in self.cases]


def _accuracy(what: Scored) -> Scores:
    answers = [majority(what.protocol, case) for case in what.cases]
    if what.vocabulary is not None:
        return vocabulary_accuracy(what.texts, answers, what.vocabulary, what.protocol.profile)
    return accuracy(what.texts, answers, what.protocol.profile)


def _gqa(what: Scored) -> Scores:
    extras = [case.annotations[0].extra for case in what.cases]
    return gqa_breakdown(
        what.texts,
        [majority(what.protocol, case) for case in what.cases],
        ids=[case.id for case in what.cases],
        structural=[extra.get("types", {}).get("structural", "") for extra in extras],
        entailed=[extra.get("entailed", ()) for extra in extras],
        groups=[extra.get("groups", {}).get("global") for extra in extras],
        profile=what.protocol.profile,
    )


def _choice(what: Scored) -> Scores:
    return choice_accuracy(
        [_chosen(case, prediction) for case, prediction in zip(what.cases, what.predictions, strict=True)],
        [_index(case) for case in what.cases],
        [case.annotations[0].options for case in what.cases],
    )


def _chosen(case: Case, prediction: Prediction) -> int | None:
    if prediction.choice is not None or prediction.error:
        return prediction.choice
    return letter_choice(prediction.answer, case.annotations[0].options)


def _index(case: Case) -> int:
    index = case.annotations[0].answer_index
    return -1 if index is None else index


def _vqa(what: Scored) -> Scores:
    return vqa_accuracy(what.texts, what.references, what.protocol.profile)


def _aokvqa(what: Scored) -> Scores:
    return direct_answer(what.texts, what.references)


def _ivqa(what: Scored) -> Scores:
    return ivqa_accuracy(what.texts, [counted(case) for case in what.cases], what.vocabulary, what.protocol.profile)


def _cider(what: Scored) -> Scores:
    texts, captions = what.texts, what.references
    found = cider(texts, captions)
    also = {**found.also, **bleu(texts, captions).also, "rouge-l": rouge_l(texts, captions).score}
    if all(case.annotations[0].question for case in what.cases):  # a generated question, not a caption
        also["exact match"] = exact_match(texts, captions).score
    return replace(found, also=also)


def _rouge(what: Scored) -> Scores:
    return rouge_l(what.texts, what.references)


def _mrr(what: Scored) -> Scores:
    """A case without a prediction has the last rank. NDCG is over the cases that have relevances."""
    ranks, dense, relevances = [], [], []
    for case, prediction in zip(what.cases, what.predictions, strict=True):
        count = len(case.annotations[0].options)
        scores = np.array([prediction.scores.get(i, -np.inf) for i in range(count)])
        ranks.append(ranks_of(scores, _index(case)) if prediction.scores else count)
        if relevance := extra_at(case, "relevance"):
            order = np.argsort(-scores, kind="stable") if prediction.scores else np.arange(count)
            dense.append((np.argsort(order, kind="stable") + 1).tolist())
            relevances.append(relevance)
    found = rank_metrics(ranks)
    if not dense:
        return found
    also = {**found.also, "ndcg": ndcg(dense, relevances).score, "ndcg cases": float(len(dense))}
    return replace(found, also=also)


def _roc_auc(what: Scored) -> Scores:
    """The score of a case is that of the first label minus that of the second; the worst one without a prediction."""
    positive = [majority(what.protocol, case) == what.protocol.labels[0] for case in what.cases]
    scores = [
        prediction.scores[0] - prediction.scores[1] if prediction.scores else (-np.inf if is_positive else np.inf)
        for prediction, is_positive in zip(what.predictions, positive, strict=True)
    ]
    return roc_auc(scores, positive)


def _token_loss(what: Scored) -> Scores:
    """The mean over all tokens of the references; a case that could not be asked has none, and counts nowhere."""
    pairs = [(-p.scores[0], p.num_tokens) if p.scores and p.num_tokens else (0.0, 0) for p in what.predictions]
    losses, tokens = np.array([loss for loss, _ in pairs]), np.array([number for _, number in pairs])
    with np.errstate(invalid="ignore"):
        return Scores(
            score=float(losses.sum() / tokens.sum()) if tokens.sum() else float("nan"),
            values=losses / tokens,
            resampled=lambda drawn: float(losses[drawn].sum() / max(tokens[drawn].sum(), 1)),
        )


SCORERS: Mapping[str, Callable[[Scored], Scores]] = MappingProxyType(
    {
        "accuracy": _accuracy,
        "gqa-accuracy": _gqa,
        "choice-accuracy": _choice,
        "vqa-accuracy": _vqa,
        "aokvqa-accuracy": _aokvqa,
        "ivqa-accuracy": _ivqa,
        "cider": _cider,
        "rouge-l": _rouge,
        "token-loss": _token_loss,
        "mrr": _mrr,
        "roc-auc": _roc_auc,
    }
)
# Metrics whose value of an example depends on the others, so that a part is scored anew.
OF_THE_WHOLE = ("cider",)
