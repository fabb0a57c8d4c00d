"""Files of predictions: the official results format of every dataset, and plain ones, read and written.

form        the results format of a dataset, as its card says
parsed      the bytes of a file as rows with their places: JSON, JSON lines, CSV, one value a line
names       what files call a case: its id, or the number or name of its image
values      the value of a row as a prediction: a text, an option, ranks, a score, a label
reading     a results file to a prediction for each case; which dataset a wrong file looks like
writing     predictions in the official format, as a server wants them
split       a file scored against a built split
references  plain files of references and predictions; plain: their scores
"""
