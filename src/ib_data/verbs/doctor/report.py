"""The block that goes into a bug report: no user names, no values of variables."""

import getpass
import json
import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

from ib_data import __version__


def report(rows: Iterable[tuple[str, str, str]], as_json: bool) -> str:
    """What doctor found, with versions, in one block of text or as a JSON object."""
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
    """`text` with the user's home folder as `~`, and the user's name in other paths as `USER`."""
    text = text.replace(str(Path.home()), "~") if Path.home() != Path("/") else text
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no such user in this container
        return text
    return re.sub(rf"(?<=/){re.escape(user)}(?=/|\s|$|[,;:])", "USER", text)
