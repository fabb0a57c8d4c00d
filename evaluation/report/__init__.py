"""What an evaluation says: the report as JSON and HTML, and two reports side by side.

statistics   intervals of scores, paired tests
published/   the tables of papers
report       the JSON
examples     what is said of each case
writing      the files of a report
"""
