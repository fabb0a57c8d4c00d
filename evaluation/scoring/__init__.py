"""Scores of cases and predictions.

golds      the right answers of a case
scorers    the arguments of each metric; profiles: its variants
scored     scores, other profiles, breakdowns
evaluated  the result, with all that a report says
"""
