"""The text block for a bug report, without user names and without values of environment variables."""

import getpass
import json
import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

from ib_data import __version__


def report(rows: Iterable[tuple[str, str, str]], as_json: bool) -> str:
    """The rows that doctor found, plus versions and names of set variables, as text or as a JSON object."""
    names = sorted(name for name in os.environ if name.startswith("IB_DATA_"))
    facts = {"ib-data": __version__, "platform": platform.platform()}
    facts |= {what: state for what, state, _ in rows if what != "damaged"}
    facts["damaged"] = "; ".join(state for what, state, _ in rows if what == "damaged") or "nothing"
    facts["environment"] = ", ".join(names) or "nothing set"
    shown = {what: anonymous(state) for what, state in facts.items()}
    if as_json:
        return json.dumps(shown, indent=1)
    return "\n".join(f"{what}: {state}" for what, state in shown.items())


def anonymous(text: str) -> str:
    """`text` with the user's home folder replaced by `~`, and the user's name in other paths by `USER`."""
    text = text.replace(str(Path.home()), "~") if Path.home() != Path("/") else text
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no such user in this container
        return text
    return re.sub(rf"(?<=/){re.escape(user)}(?=/|\s|$|[,;:])", "USER", text)
