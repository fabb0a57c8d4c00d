"""The verbs of the command line; `cli.py` imports a module only when its verb runs.

list, card          what there is, and the facts of a dataset
build/              official files to shards
check               whether what is built is what it was
show, render        samples and instructions; sql: queries
templates/          instruction templates, their checks and lengths
mixture/            weights and draws
stream/             what a training run receives
train, generate     tune a model, and ask it
rm, clean           delete; removing: what both share
doctor/             what this machine can do; completion: for the shell

common, arguments   options that many verbs have; own_datasets: `--datasets`; rendering: of verbs that render
built, previews     what names stand for: datasets, and samples; html_page: `--html`
failures            how a verb ends that has damage to report
"""
