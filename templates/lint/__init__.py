"""`ib-data templates lint`.

run        all checks over template files
rules      checks of one template; sentences: checks of its wording
branches   which branches of a template were taken
examples   annotations that templates are linted with
"""
