"""Built samples with their instructions.

selection   which samples are shown
preview     samples as the terminal and the contact sheet show them
highlights  what the annotation put into an instruction
page        the contact sheet: one HTML file, from `sheet.html`
"""
