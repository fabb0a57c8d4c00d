"""Instruction templates, one file a task, and what turns an annotation into an instruction and its target.

Nothing is imported here: the options of a verb stand in `options.py`, and `--help` must not load Jinja for them: 60 ms.
"""
