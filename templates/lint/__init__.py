"""`ib-data templates lint`.

report     all checks over template files, and the findings
rules      checks of one template; sentences: checks of its wording
branches   which branches of a template were taken
examples   annotations that templates are linted with
"""
