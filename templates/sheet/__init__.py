"""Previews of built samples with their instructions.

selection   chooses the samples to show
preview     samples with renders, for the terminal and the contact sheet
highlights  marks the parts of an instruction that come from the annotation
page        the contact sheet: one HTML file, from `sheet.html`
"""
