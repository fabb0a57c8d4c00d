"""From cases to the arguments of metrics that need more than texts. A missing prediction is an empty text: wrong."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ib_data.evaluation.case import Case, Prediction
from ib_data.evaluation.metrics.accuracy import accuracy, vocabulary_accuracy
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
from ib_data.evaluation.protocols.protocol import Protocol
from ib_data.evaluation.scoring.golds import counted, extra_at, label_of, only_answer, references


@dataclass(frozen=True, slots=True)
class Aligned:
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

    @property
    def answers(self) -> list[str]:
        """The one right answer of each case."""
        return [only_answer(self.protocol, case) for case in self.cases]


def answer_accuracy(what: Aligned) -> Scores:
    """`accuracy`, with the closed score if the vocabulary is known."""
    if what.vocabulary is not None:
        return vocabulary_accuracy(what.texts, what.answers, what.vocabulary, what.protocol.profile)
    return accuracy(what.texts, what.answers, what.protocol.profile)


def gqa(what: Aligned) -> Scores:
    """`gqa_breakdown` of the types, entailed questions and groups of the source."""
    extras = [case.annotations[0].extra for case in what.cases]
    return gqa_breakdown(
        what.texts,
        what.answers,
        ids=[case.id for case in what.cases],
        structural=[extra.get("types", {}).get("structural", "") for extra in extras],
        entailed=[extra.get("entailed", ()) for extra in extras],
        groups=[extra.get("groups", {}).get("global") for extra in extras],
        profile=what.protocol.profile,
    )


def choice(what: Aligned) -> Scores:
    """`choice_accuracy` of chosen options, or of those that generated answers mean."""
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
    assert index is not None  # `scored` leaves out cases without an answer
    return index


def ivqa(what: Aligned) -> Scores:
    """`ivqa_accuracy`, with the closed score if the vocabulary is known."""
    return ivqa_accuracy(what.texts, [counted(case) for case in what.cases], what.vocabulary, what.protocol.profile)


def captions(what: Aligned) -> Scores:
    """CIDEr-D, with BLEU and ROUGE-L beside it; of generated questions also those that equal the reference."""
    texts, golds = what.texts, what.references
    found = cider(texts, golds)
    also = {**found.also, **bleu(texts, golds).also, "rouge-l": rouge_l(texts, golds).score}
    if what.protocol.golds == "question":
        also["exact match"] = exact_match(texts, golds).score
    return replace(found, also=also)


def mrr(what: Aligned) -> Scores:
    """Ranks of the right option, with NDCG over the cases that have a relevant option.

    A case without scores has no rank: its reciprocal rank and NDCG are 0. `also` counts the cases of NDCG, and those
    whose relevances are all 0, which have none.
    """
    ranks: list[float] = []
    dense, relevances = [], []
    num_failed = num_without = 0
    for case, prediction in zip(what.cases, what.predictions, strict=True):
        count = len(case.annotations[0].options)
        scores = np.array([prediction.scores.get(i, -np.inf) for i in range(count)])
        ranks.append(ranks_of(scores, _index(case)) if prediction.scores else np.inf)
        if not (relevance := extra_at(case, "relevance")):
            continue
        if not np.any(relevance):
            num_without += 1
        elif not prediction.scores:
            num_failed += 1
        else:
            order = np.argsort(-scores, kind="stable")
            dense.append((np.argsort(order, kind="stable") + 1).tolist())
            relevances.append(relevance)
    found = rank_metrics(ranks)
    also = dict(found.also)
    if num := len(dense) + num_failed:
        also |= {"ndcg": float(ndcg(dense, relevances).values.sum()) / num, "ndcg cases": float(num)}
    if num_without:
        also["cases without a relevant option"] = float(num_without)
    return replace(found, also=also)


def area(what: Aligned) -> Scores:
    """`roc_auc`: the score of a case is that of the first label minus that of the second.

    Without a prediction it is the worst one.
    """
    positive = [answer == what.protocol.labels[0] for answer in what.answers]
    scores = [
        prediction.scores[0] - prediction.scores[1] if prediction.scores else (-np.inf if is_positive else np.inf)
        for prediction, is_positive in zip(what.predictions, positive, strict=True)
    ]
    return roc_auc(scores, positive)


def token_loss(what: Aligned) -> Scores:
    """The mean over all tokens of the references; a case that could not be asked has none, and counts nowhere."""
    pairs = [(-p.scores[0], p.num_tokens) if p.scores and p.num_tokens else (0.0, 0) for p in what.predictions]
    losses, tokens = np.array([loss for loss, _ in pairs]), np.array([number for _, number in pairs])
    with np.errstate(invalid="ignore"):
        return Scores(
            score=float(losses.sum() / tokens.sum()) if tokens.sum() else float("nan"),
            values=losses / tokens,
            resampled=lambda drawn: float(losses[drawn].sum() / max(tokens[drawn].sum(), 1)),
        )
