"""Runs the commands of README.md under "A portal's calls" as they stand, against a local run on another port, and holds what they print against
what the README says: behind `#` each command names a text that its answer must have.

    python readme.py README.md http://localhost:8080
"""

import pathlib
import re
import subprocess
import sys
import tempfile

from provider import MOBILES, Provider

HEADING = "### A portal's calls"


def commands(readme):
    section = readme.split(HEADING, 1)[1]
    return re.search(r"```sh\n(.*?)```", section, re.DOTALL).group(1)


def main(readme, portal):
    script = commands(pathlib.Path(readme).read_text(encoding="utf-8"))
    expected = re.findall(r"# → (.+)", script)
    provider = Provider(portal, "dr.rivera", MOBILES[-1]).set_up()
    # The next text to the number would be too soon.
    provider.call("POST", "/dev/clock", 200, {"advance_seconds": 60})
    script = script.replace("http://localhost:8080", portal)
    with tempfile.TemporaryDirectory() as folder:
        # Each command as it would be typed, after the last: a failing one ends it.
        run = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(run, cwd=folder, capture_output=True, text=True, timeout=60)
    printed = done.stdout
    if done.returncode or done.stderr:
        sys.exit(f"the README's commands failed:\n{printed}\n{done.stderr}")
    rest = printed
    for text in expected:
        before, found, rest = rest.partition(text)
        if not found:
            sys.exit(f"the README says that an answer has {text!r}; it has not:\n{printed}")
    if len(expected) < 5:
        sys.exit("the README says of fewer than five calls what they answer")
    print(f"{len(expected)} of the README's calls answer as it says")


if __name__ == "__main__":
    main(*sys.argv[1:])
