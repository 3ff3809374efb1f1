#!/bin/sh
# Get what the tests in a browser need: the Python package playwright in the environment $1, and Chromium, from apt where
# this is root's to install. Otherwise say how to get it and go on; without it those tests are skipped.
set -u
folder=$1

missing() {
    echo "no Chromium found: the tests in a browser will be skipped."
    echo "To get it, install Debian's or Ubuntu's package chromium, or set GANGLION_CHROMIUM to a Chromium or Chrome."
    exit 0
}

"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[browser]" || {
    echo "playwright could not be installed: the tests in a browser will be skipped."
    exit 0
}
[ -n "${GANGLION_CHROMIUM:-}" ] && exit 0
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && touch "$folder/.browser" && exit 0
done
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || missing
echo "installing chromium"
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null || missing
touch "$folder/.browser"
