"""The results format of a dataset: the table `evaluation.results` of its card."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ib_data.cards import Card
from ib_data.strict import Count, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What the server of a split without public answers wants: the file's name, with `{model}`, and where it goes.

    `source` says where both were found, or that they are not verified.
    """

    file: str
    server: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsForm:
    """How a results file of a dataset looks.

    `form`: a JSON list of objects, an object by id (inside the key `under`, if given), JSON lines, CSV, or a value a
    line in the order of the annotations. `id` are the keys that make the id, joined by `-`, and `value` is the key of
    the answer. Of what `kind` it is: a text, the index of an option, the rank of every option (from 1, 1 is the best),
    a probability of the second of `labels`, or the index of one of `labels`.

    An id is that of the annotation, or of its image (`names`), written as an `integer` or a text with `ending`;
    `per_image`: images are numbered, and the id of a caption is this number times that of its image plus a rest.
    `choice` is the key of the text of the chosen option beside a direct answer; `label` that of the index of the label
    beside a probability. `source` says where the format was found, or `own` if there is no official one.
    """

    form: Literal["list", "mapping", "lines", "csv", "rows"]
    source: str
    kind: Literal["text", "choice", "ranks", "score", "label"] = "text"
    id: tuple[str, ...] = ()
    value: str = ""
    names: Literal["annotation", "image"] = "annotation"
    integer: bool = False
    ending: str = ""
    per_image: Count = 0
    under: str = ""
    choice: str = ""
    label: str = ""
    labels: tuple[str, ...] = ()
    submissions: Mapping[str, Submission] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that a row has, ids first."""
        return tuple(key for key in (*self.id, self.value, self.choice, self.label) if key)

    @property
    def is_official(self) -> bool:
        """Whether the format is that of the dataset's authors."""
        return self.source != "own"


# For your own cards, and accepted for every dataset.
PLAIN = ResultsForm(form="lines", source="own", id=("id",), value="answer")


def results_form(card: Card) -> ResultsForm:
    """The results format of a dataset; PLAIN if its card has none. DataError for a card that is wrong."""
    table = Table.of(card.evaluation, card.name, f"cards/{card.name}.md", "evaluation")
    return table.table("results").into(ResultsForm) if "results" in table.values else PLAIN
