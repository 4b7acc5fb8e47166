#!/bin/sh
# Make .venv/foreign: the public tests of packages into which our doors lead, as their authors ship
# them in the sdist of the very version that is installed. Nothing of them is in this repository.
# wandb, Lightning, TRL and torch ship none, or none that can be had without a compiler of Go.
set -eu
foreign=.venv/foreign
rm -rf "$foreign" && mkdir -p "$foreign"
for name in tensorboardX accelerate; do
    version=$(.venv/bin/python -c "from importlib.metadata import version; print(version('$name'))")
    .venv/bin/python -m pip --disable-pip-version-check --quiet download \
        --no-deps --no-binary :all: --dest "$foreign" "$name==$version"
done
for archive in "$foreign"/*.tar.gz; do
    tar -xzf "$archive" -C "$foreign" --wildcards '*/tests/*'
    rm "$archive"
done
touch "$foreign/ready"
