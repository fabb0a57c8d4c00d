"""Inputs without an instruction: an annotation's own words, for multitask training in place of instruction tuning.

Options and hints are among them only where no direct answer is known, because the answer cannot be given without them.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from ib_data.templates.language import names_tested, names_used
from ib_data.templates.template import Template

_QUESTION = "{{ question }}"
_DIALOGUE = "{% if history_text %}{{ history_text }}\n{% endif %}{{ question }}"
# The inputs of each task; the first that fits an annotation is taken.
PLAIN_INPUTS: Mapping[str, tuple[str, ...]] = {
    "captioning": ("",),
    "captioning_scene_text": ("",),
    "visual_reasoning": ("{{ statement }}", _QUESTION),
    "question_answering": (_QUESTION,),
    "knowledge_question_answering": (
        _QUESTION,
        "{% if context %}{{ context }} {% endif %}{{ question }} {{ options_text }}",
    ),
    "question_answering_scene_text": (_QUESTION,),
    "question_generation": ("{{ answer }}",),
    "video_question_answering": (_QUESTION,),
    "visual_dialogue": (_DIALOGUE,),
    "classification": ("{% if context %}{{ context }}{% endif %}",),
    "llava": (_DIALOGUE,),
}


def plain_inputs(task: str, training: Sequence[Template]) -> tuple[Template, ...]:
    """The plain inputs of a task, with the targets of the first of its training templates; none without one."""
    if not training:
        return ()
    return tuple(
        Template(
            task=task,
            name=f"plain_{number}" if number else "plain",
            kind="plain",
            text=text,
            sha256=sha256(text.encode()).hexdigest(),
            fields=(fields := names_used(text)),
            needs=fields - names_tested(text),
            targets=training[0].targets,
        )
        for number, text in enumerate(PLAIN_INPUTS[task])
    )
