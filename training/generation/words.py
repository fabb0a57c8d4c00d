"""The words of an answer as they come."""

from collections.abc import Callable

from torch import Tensor
from transformers.generation.streamers import BaseStreamer

_NO_BLANKS = "\u2e80"  # from here on are the scripts that write without blanks between words
_PART = "\ufffd"  # a character of which only some bytes have come


class Words(BaseStreamer):
    """Gives `say` each piece of the text as soon as it can no longer change; together they are the whole answer.

    `text_of` is the text of all ids so far. The last word is held back until the next one begins.
    """

    def __init__(self, text_of: Callable[[list[int]], str], say: Callable[[str], None]) -> None:
        self.text_of, self.say = text_of, say
        self.ids: list[int] | None = None  # the first call brings what the decoder begins with
        self.num_said = 0

    def put(self, value: Tensor) -> None:
        """Take new ids, (1,) or (1, L)."""
        if self.ids is None:
            self.ids = []
            return
        self.ids += value.flatten().tolist()
        text = self.text_of(self.ids)
        is_whole = bool(text) and text[-1] >= _NO_BLANKS and text[-1] != _PART
        self._say(text if is_whole else text[: max(text.rfind(" "), text.rfind("\n")) + 1])

    def end(self) -> None:
        """Say the rest."""
        self._say(self.text_of(self.ids or []))

    def _say(self, text: str) -> None:
        if len(text) > self.num_said:
            self.say(text[self.num_said :])
            self.num_said = len(text)
