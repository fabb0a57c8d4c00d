"""`ib-data completion`: print a shell completion script."""

import click
from click.shell_completion import get_completion_class


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a shell completion script for verbs, options and names.

    Completes the names of datasets, mixtures, tasks and configurations. Source it in your shell's start-up file.

    \b
    eval "$(ib-data completion bash)"           in ~/.bashrc
    eval "$(ib-data completion zsh)"            in ~/.zshrc
    ib-data completion fish | source            in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click supports these shells"
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "ib-data", "_IB_DATA_COMPLETE").source())
