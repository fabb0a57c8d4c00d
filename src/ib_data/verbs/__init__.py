"""The verbs of the command line, one module each; `cli.py` imports a module only when its verb runs."""
