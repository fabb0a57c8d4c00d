"""Instruction templates, one `TASK.toml` a task, and what turns an annotation into an instruction and its target.

renderer         Renderer: an annotation to its instruction and target, by a library of templates
rendered         what comes out
template         a template, and the one rule that decides which templates fit
library          the templates of all tasks; template_file: reads one file
language         the part of Jinja that templates may use
values           the texts that templates are filled with
render_options   what a run may choose; render_errors: what cannot be rendered
lint             `ib-data templates lint`; stats: lengths; sheet: the contact sheet

Nothing is imported here: `--help` needs `render_options` alone, and Jinja takes 60 ms.
"""
