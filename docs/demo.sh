#!/bin/sh
# The main job on the bundled miniature, as a person would type it. `make demo` runs it; the first argument is the folder
# that everything goes to.
set -eu
home=${1:-.demo}
PATH="$(pwd)/.venv/bin:$PATH"
IB_DATA_HOME="$home"
export IB_DATA_HOME

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }

say "1. Four datasets from their official files (drawn here, in the official formats) to shards"
run ib-data build vqav2 okvqa aokvqa coco_caption --mini
say "2. What a mixture draws from them"
run ib-data mixture show demo --samples 400
say "3. How the samples look as instructions"
run ib-data show vqav2 okvqa aokvqa coco_caption vqav2_qg -n 6 --html "$home/samples.html"
say "4. Tuning a tiny Q-Former between a frozen vision encoder and a frozen language model"
rm -rf "$home/run"
run ib-data train tiny --out "$home/run"
say "5. One question about one picture"
shard="$home/shards/vqav2/train/vqav2-train-000000.tar"
picture=$(tar tf "$shard" | grep 'jpg$' | head -n 1)
tar xf "$shard" -C "$home" "$picture"
run ib-data generate --model "$home/run" --image "$home/$picture" --prompt "How many shapes are in the picture? Short answer:"

say "Where it lies"
printf '%s\n' \
    "shards and indices    $home/shards" \
    "catalog               $home/catalog.duckdb   (try: ib-data sql \"select * from datasets\" --home $home)" \
    "contact sheet         $home/samples.html" \
    "checkpoint and log    $home/run" \
    "the picture           $home/$picture"
