#!/bin/sh
# Build the peers' environment in $2 with the interpreter $1; where that fails, say so and go on: the benchmarks run
# without the peers.
set -u
python=$1
folder=$2
pinned=benchmarks/requirements-peers.txt

install() {
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$pinned" "$@"
}

echo "setting up $folder"
if "$python" -m venv "$folder" && install torch numpy loguru && install --no-deps spikingjelly; then
    touch "$folder/.tried"
else
    mkdir -p "$folder"
    touch "$folder/.tried"
    echo "$folder could not be set up: the benchmarks run without SpikingJelly. To try again, remove $folder."
fi
