"""`ib-data mixture`: the weights of a mixture, what two mixtures differ in, and the sequence one draws.

show  weights, expected samples and epochs
diff  two mixtures, member by member
draw  the drawn sequence
"""

import click

from ib_data.verbs.mixture import diff as mixture_diff
from ib_data.verbs.mixture import draw as mixture_draw
from ib_data.verbs.mixture import show as mixture_show


@click.group(name="mixture")
def command() -> None:
    """Show the weights of a mixture and the sequence it draws.

    SPEC is a packaged mixture (instructblip, demo, held-in-available and more), a dataset (a mixture of one member) or
    a .toml file.

    \b
    ib-data mixture show instructblip
    ib-data mixture diff instructblip held-in-available
    ib-data mixture draw instructblip -n 10 --seed 1
    """


command.add_command(mixture_show.show)
command.add_command(mixture_diff.diff)
command.add_command(mixture_draw.draw)
