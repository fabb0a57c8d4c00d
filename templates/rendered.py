"""The result of rendering an annotation: instruction, target, and where both came from."""

from dataclasses import asdict, dataclass
from typing import Any

from ib_data.sample import Turn


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a trainer sees of one annotation, with all that is needed to render it again.

    `target` is None if the split hides its answers. `template` is the name of a template of `task`;
    `template_sha256` is the hash of its text, in hex, without the text of its target (`Renderer.digest` and the
    fingerprint of a stream cover both). `earlier` are the turns of a chat before the instruction, oldest first; their
    answers are trained on too.
    """

    instruction: str
    target: str | None
    task: str
    template: str
    template_sha256: str
    dataset: str
    annotation_id: str
    position: int
    seed: int
    earlier: tuple[Turn, ...] = ()

    @property
    def hidden(self) -> bool:
        """Whether there is no target because the split hides its answers."""
        return self.target is None

    @property
    def segments(self) -> tuple[tuple[str, bool], ...]:
        """The texts in the order a model reads them, each with whether it is trained on; a hidden target is absent."""
        turns = ((turn.question, turn.answer) for turn in self.earlier)
        pairs = (*turns, (self.instruction, self.target))
        parts = (segment for asked, answer in pairs for segment in ((asked, False), (answer, True)))
        return tuple((text, is_learnt) for text, is_learnt in parts if text is not None)

    def to_plain(self) -> dict[str, Any]:
        """The fields as JSON values; `earlier` only if there are earlier turns.

        `hidden` is present, and true, only if `target` is null.
        """
        plain = asdict(self)
        if not self.earlier:
            del plain["earlier"]
        return {**plain, "hidden": True} if self.hidden else plain
