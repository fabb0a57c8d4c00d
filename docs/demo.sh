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
run ib-data build vqav2 okvqa aokvqa coco_caption --mini --mini-size 400
say "2. Show what a mixture draws from them"
run ib-data mixture show demo --samples 400
say "3. Render samples as instructions, on a contact sheet"
run ib-data show vqav2 okvqa aokvqa coco_caption vqav2_qg -n 6 --html "$home/samples.html"
say "4. Tune the Q-Former of the miniature's start, which knows what captions say, between its two frozen models"
rm -rf "$home/runs/miniature"
run ib-data train miniature mixture=demo steps=150 warmup_steps=15 save_every=50
say "5. Ask one question about two images"
run ib-data build vqav2 --split validation --mini --mini-size 400
shard="$home/shards/vqav2/validation/vqav2-validation-000000.tar"
pink=vqav2-validation-000000203470.jpg
orange=vqav2-validation-000000388739.jpg
tar xf "$shard" -C "$home" "$pink" "$orange"
for image in "$pink" "$orange"; do
    run ib-data generate --model runs/miniature --image "$home/$image" --prompt "What color is the star? Short answer:"
done
say "6. Write the tuned model as a folder that transformers loads"
rm -rf "$home/model"
run ib-data model export "$home/runs/miniature" --out "$home/model"

say "7. Score it on held-out datasets and on new questions, also with images exchanged, and compare it with the start"
run ib-data build gqa nocaps --mini --mini-size 400
rm -rf "$home/evaluations/tuned" "$home/evaluations/start"
run ib-data evaluate gqa nocaps -n 60 --model runs/miniature --shuffle-images --out "$home/evaluations/tuned"
run ib-data evaluate gqa nocaps -n 60 --model miniature --out "$home/evaluations/start"
run ib-data evaluate vqav2 --split validation -n 150 --model runs/miniature --out "$home/evaluations/tuned"
run ib-data evaluate vqav2 --split validation -n 150 --model miniature --out "$home/evaluations/start"
run ib-data compare "$home/evaluations/start" "$home/evaluations/tuned" --examples 4 --html "$home/compared.html"

say "Results"
printf '%s\n' \
    "shards and indices    $home/shards" \
    "catalog               $home/catalog.duckdb" \
    "contact sheet         $home/samples.html" \
    "checkpoint and log    $home/runs/miniature" \
    "model                 $home/model" \
    "evaluation            $home/evaluations/tuned/report.html" \
    "start and tuned       $home/compared.html" \
    "images                $home/$pink, $home/$orange" \
    "" \
    "To continue: . .venv/bin/activate; export IB_DATA_HOME=$home; ib-data sql \"select * from datasets\""
