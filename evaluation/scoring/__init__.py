"""Scores of cases and predictions.

golds      the right answers of a case
metrics    all metrics by name; scorers: the arguments of those that need more than texts
scored     scores, other profiles, breakdowns
evaluated  the result, with all that a report says
"""
