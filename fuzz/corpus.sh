#!/bin/bash
# Converts a corpus to text, one line of base64 for each input: `corpus.sh pack DIRECTORY >FILE`, `corpus.sh unpack DIRECTORY <FILE`.
set -euo pipefail
case "$1" in
pack)
    for input in "$2"/*; do
        base64 --wrap=0 "$input"
        echo
    done | LC_ALL=C sort -u
    ;;
unpack)
    mkdir -p "$2"
    number=0
    while read -r line; do
        number=$((number + 1))
        base64 --decode <<<"$line" >"$2/input-$number"
    done
    ;;
*)
    echo "corpus.sh pack|unpack DIRECTORY" >&2
    exit 2
    ;;
esac
