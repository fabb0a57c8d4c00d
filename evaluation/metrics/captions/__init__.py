"""Caption metrics as the official COCO scorer computes them, without Java.

texts       captions as they are compared; ptb_tokens: the tokeniser
grams       n-grams of many captions as arrays
cider, bleu, rouge_l  the metrics
java        METEOR and SPICE through the Java originals; jars: runs them
"""
