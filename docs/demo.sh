#!/bin/sh
# The main commands on the bundled miniature. `make demo` runs this; the first argument is the output folder.
set -eu
home=${1:-.demo}
PATH="$(pwd)/.venv/bin:$PATH"
IB_DATA_HOME="$home"
export IB_DATA_HOME

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() {
    printf '$'
    for word; do case $word in *" "*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac; done
    printf '\n'
    "$@"
}

say "1. Build four datasets from their official files (here: the miniature, in the official formats)"
run ib-data build vqav2 okvqa aokvqa coco_caption --mini
say "2. Show what a mixture draws from them"
run ib-data mixture show demo --samples 400
say "3. Render samples as instructions, on a contact sheet"
run ib-data show vqav2 okvqa aokvqa coco_caption vqav2_qg -n 6 --html "$home/samples.html"
say "4. Train a tiny Q-Former between a frozen vision encoder and a frozen language model"
rm -rf "$home/runs/miniature"
run ib-data train miniature
say "5. Ask a question about an image"
shard="$home/shards/vqav2/train/vqav2-train-000000.tar"
image=$(tar tf "$shard" | grep 'jpg$' | head -n 1)
tar xf "$shard" -C "$home" "$image"
run ib-data generate --image "$home/$image" --prompt "How many shapes are in the picture? Short answer:"
say "6. Write the tuned model as a folder that transformers loads"
rm -rf "$home/model"
run ib-data model export "$home/runs/miniature" --out "$home/model"

say "7. Score it on held-out datasets, also with images exchanged, and compare it with an earlier checkpoint"
run ib-data build gqa vsr --mini
rm -rf "$home/evaluations/demo" "$home/evaluations/earlier"
run ib-data evaluate gqa vsr -n 20 --model "$home/runs/miniature" --shuffle-images --out "$home/evaluations/demo"
run ib-data evaluate gqa vsr -n 20 --model "$home/runs/miniature/step-000025" --out "$home/evaluations/earlier"
run ib-data compare "$home/evaluations/earlier" "$home/evaluations/demo" --examples 2

say "Results"
printf '%s\n' \
    "shards and indices    $home/shards" \
    "catalog               $home/catalog.duckdb" \
    "contact sheet         $home/samples.html" \
    "checkpoint and log    $home/runs/miniature" \
    "model                 $home/model" \
    "evaluation            $home/evaluations/demo/report.html" \
    "image                 $home/$image" \
    "" \
    "To continue: . .venv/bin/activate; export IB_DATA_HOME=$home; ib-data sql \"select * from datasets\""
