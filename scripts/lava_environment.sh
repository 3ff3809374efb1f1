#!/bin/sh
# Build the Lava environment in $1, if a Python 3.10 can be found; otherwise say how to get one and go on.
# lava-nc 0.10.0 is the last release; it needs Python 3.10 exactly and numpy < 2.
set -eu
folder=$1

find_python() {
    # a pyenv shim named python3.10 can exist and fail, so every candidate is tried
    for candidate in "${LAVA_PYTHON:-}" python3.10 "$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")"/versions/3.10.*/bin/python; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

mkdir -p "$folder"
if python=$(find_python); then
    echo "setting up $folder"
    "$python" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints-lava.txt lava-nc
else
    echo "no Python 3.10 found: everything that runs on Lava will be skipped."
    echo "To get it, install Python 3.10 (for instance: pyenv install 3.10), or set LAVA_PYTHON, and remove $folder."
fi
touch "$folder/.tried"
