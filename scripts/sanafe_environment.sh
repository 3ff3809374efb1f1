#!/bin/sh
# Build the SANA-FE environment in $2 with the interpreter $1; where there is no wheel for that Python, say so and go on.
# SANA-FE's licence is the GPL: it has an environment of its own, and ganglion runs it as a program.
set -u
python=$1
folder=$2

install() {
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
        --constraint constraints-sanafe.txt "$@"
}

echo "setting up $folder"
if ! { "$python" -m venv "$folder" && install sanafe numpy; }; then
    mkdir -p "$folder"
    echo "$folder could not be set up: everything that runs on SANA-FE will be skipped."
    echo "To try again, with another Python (make PYTHON=python3.12) for instance, remove $folder."
fi
touch "$folder/.tried"
