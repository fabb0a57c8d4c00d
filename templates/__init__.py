"""Instruction templates, one `TASK.toml` per task, and the renderer: annotation to instruction and target.

renderer         Renderer: an annotation to its instruction and target, from a library of templates
rendered         Rendered, the result
template         a template, and the rule that decides which templates fit
library          the templates of all tasks; template_file: reads one file
language         the part of Jinja that templates may use
values           the texts that fill a template
plain_inputs     inputs without an instruction, for multitask training
render_options   options of rendering; render_errors: its errors
lint             `ib-data templates lint`; stats: lengths; sheet: the contact sheet

Imports nothing: `--help` needs only `render_options`, and importing Jinja takes 60 ms.
"""
