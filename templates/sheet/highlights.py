"""Marks the parts of an instruction that come from the annotation, and highlights them in HTML."""

import re
import unicodedata

from markupsafe import Markup, escape

from ib_data.blank import trimmed
from ib_data.cards import Card
from ib_data.sample import Annotation
from ib_data.templates.language import TemplateTextError, render_text
from ib_data.templates.rendered import Rendered
from ib_data.templates.renderer import Renderer
from ib_data.templates.values import values_of

# Private-use characters around a substituted value in `marked`; `highlight` turns them into markup.
MARK_START, MARK_END = "\ue000", "\ue001"
_NO_MARKS = {ord(MARK_START): None, ord(MARK_END): None}
_FOLDED = Markup('<details class="folded"><summary>{}</summary><mark><bdi>{}</bdi></mark></details>')
_MARKED = re.compile(f"{MARK_START}(.*?){MARK_END}", re.DOTALL)


def marked(renderer: Renderer, card: Card, annotation: Annotation, rendered: Rendered) -> str:
    """The instruction that `renderer` rendered, with MARK_START and MARK_END around each value put into the template.

    Marks in the values themselves are removed. If a filter such as `capitalize` changes a marked value differently
    from the bare one, the instruction has no marks.
    """
    template = renderer.template_of(rendered)
    values = values_of(card, annotation, seed=rendered.seed, position=rendered.position, options=renderer.options)
    shown = values.of(template, template.fields)
    around = {
        name: f"{MARK_START}{value.translate(_NO_MARKS)}{MARK_END}" if value else "" for name, value in shown.items()
    }
    bare = rendered.instruction.translate(_NO_MARKS)
    try:
        text = trimmed(render_text(template.text, around))
    except TemplateTextError:  # the marks made it too long
        return bare
    balanced = text.count(MARK_START) == text.count(MARK_END)
    return text if balanced and text.translate(_NO_MARKS) == bare else bare


def highlight(text: str, history: str = "") -> Markup:
    """Escaped HTML of a marked instruction, with `<mark>` around the substituted parts.

    Each part is in a `<bdi>`, so a right-to-left question does not change the direction around it. A `history` of
    several rounds is folded.
    """
    pieces = _MARKED.split(clean(text))  # plain, marked, plain, marked, ..., plain
    folded = clean(history.translate(_NO_MARKS)) if "\n" in history else None
    found = Markup("")
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            # A folded history is a block, so a line break next to it would leave an empty line.
            found += escape(piece.removeprefix("\n") if number and pieces[number - 1] == folded else piece)
        elif piece == folded:
            title = f"{piece.count(chr(10)) + 1} earlier rounds"
            found += _FOLDED.format(title, piece)
        else:
            found += Markup("<mark><bdi>{}</bdi></mark>").format(piece)
    return found


def clean(text: str) -> str:
    """`text` with control characters and lone surrogates, which HTML cannot hold, replaced by U+FFFD."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" else c for c in text)
