"""Instruction templates, one file a task, and what turns an annotation into an instruction and its target."""

from ib_data.templates.library import KNOWN_FIELDS, Template, load_task, zero_shot
from ib_data.templates.options import RenderOptions
from ib_data.templates.render import Rendered, render, render_all

__all__ = [
    "KNOWN_FIELDS",
    "RenderOptions",
    "Rendered",
    "Template",
    "load_task",
    "render",
    "render_all",
    "zero_shot",
]
