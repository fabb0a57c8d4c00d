"""What an evaluation says: the report as JSON and HTML, and two reports side by side.

statistics   intervals of scores, paired tests
published/   the tables of papers
report       the JSON
examples     what is said of each case; shuffled: what the image is worth
numbers      how numbers are shown
page         the HTML, from `report.html`; example_cards: examples; pictures: small images; chart: a score among others
writing      the files of a report; reading: a report and its examples
comparison   two reports side by side; comparison_text: for the terminal; paired: values of the same examples
comparison_page  the examples where they differ as HTML, from `comparison.html`
"""
