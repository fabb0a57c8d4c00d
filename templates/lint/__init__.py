"""`ib-data templates lint`.

report     runs all checks over template files and collects findings
rules      checks of one template; sentences: checks of its wording
branches   finds branches of a template that were never taken
examples   annotations to lint templates with
"""
