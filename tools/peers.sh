#!/bin/sh
# Make .venv/peers: other trackers, whose pins collide with ours, over the packages of .venv.
set -eu
here=.venv/lib/$(ls .venv/lib)/site-packages
.venv/bin/python -m venv --clear .venv/peers
# Lines of a .pth file are folders that come after the environment's own: pip sees what is there.
printf '%s\n' "$PWD/$here" "$PWD/src" > ".venv/peers/lib/$(ls .venv/lib)/site-packages/below.pth"
.venv/peers/bin/python - <<'END' > .venv/peers.txt
import tomllib
with open("pyproject.toml", "rb") as stream:
    print("\n".join(tomllib.load(stream)["dependency-groups"]["peers"]))
END
.venv/peers/bin/python -m pip --disable-pip-version-check --quiet install --requirement .venv/peers.txt
touch .venv/peers/ready
