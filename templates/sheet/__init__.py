"""Built samples with their instructions.

preview  samples as the terminal and the contact sheet show them
page     the contact sheet: one HTML file
"""
