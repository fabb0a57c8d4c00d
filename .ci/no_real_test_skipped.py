"""Fails when the official files are there and a test that needs them was skipped, or none ran."""

import os
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

folder = Path(os.environ.get("IB_DATA_REAL") or Path(__file__).resolve().parents[2] / "shared" / "real")
cases = [
    case
    for case in ElementTree.parse(sys.argv[1]).iter("testcase")
    if any(prop.get("value") == "official files" for prop in case.iter("property"))
]
skipped = [str(case.get("name")) for case in cases if case.find("skipped") is not None]
print(f"real: {len(cases)} tests, {len(skipped)} skipped, files {'here' if folder.is_dir() else 'not here'}")
if folder.is_dir() and (skipped or not cases):
    sys.exit(f"official files are at {folder}, but these tests did not use them: {', '.join(skipped) or 'all'}")
