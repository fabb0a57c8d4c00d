"""Metrics: pure functions of aligned predictions and references, one file each.

scores         the result of every metric; aligned: sequences of one length
vqa_accuracy   VQA accuracy by profile; vqa_text: its normaliser; vqa_words: marks, digits, articles, contractions
accuracy       equality with the only answer, by profile, with and without a vocabulary
aokvqa         direct answers of A-OKVQA
gqa            GQA with binary and open questions, consistency; gqa_distribution: chi-square of its answers
ivqa           iVQA, open and with a vocabulary
question_match  generated questions that equal a reference
choice         multiple choice; which option a generated answer means
roc_auc        area under the ROC curve
ranks          reciprocal rank, recall, mean rank, NDCG
captions/      CIDEr-D, BLEU, ROUGE-L and their tokeniser
"""
