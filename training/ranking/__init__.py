"""Log-likelihoods of candidate answers.

ranker      ranks the candidates of questions by one of four methods
candidates  texts to token ids, checked
tree        token ids as a prefix tree
prompt      prompts that the language model has read once
log_probs   log-probabilities out of logits
memory      how much is done at once
naive       the whole row of every candidate
prefix      a row of its own for every candidate, the prompt shared
tree_pass   nodes of a tree in one sequence; which models can read it
packed      the whole tree
best_first  the best candidate alone
"""
