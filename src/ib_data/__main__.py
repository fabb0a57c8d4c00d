"""`python -m ib_data`: the command line."""

from ib_data.cli import main

main()
