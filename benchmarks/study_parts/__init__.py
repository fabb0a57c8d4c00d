"""The parts of `study.py`, the study of the paper's findings in the miniature.

plan      the configuration: families, seeds, arms; a cell is one of each
data      the miniature of the study, built
cell      one cell: trained, evaluated
runner    all cells, each in a process of its own; what is done stays done
results   the files of the cells; the scores of an arm
findings  what the paper claims, as paired differences with intervals
plots     a plot of each finding
page      docs/study.md
"""
