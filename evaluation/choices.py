"""The values that protocols and their command-line options allow. Imports nothing, since `--help` loads it."""

METHODS = ("generate", "rank")
# What is ranked: the annotation's own options, all training answers, the words of each label, or the reference alone.
CANDIDATES = ("options", "vocabulary", "verbalisers", "answer")
# How the scores of a label's words become its own: log-sum-exp (the probability of any), or that of the likeliest.
AGGREGATIONS = ("logsumexp", "max")
# How the log-likelihood of a candidate becomes its score: as it is, a token, or a byte of its text in UTF-8.
NORMALISATIONS = ("sum", "mean", "bytes")
