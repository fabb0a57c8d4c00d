"""The verbs of the command line; `cli.py` imports a module only when its verb runs.

list, card          all datasets, one dataset
build/              official files to shards
check               verify built splits
show, render        samples and instructions; sql: queries
templates/          instruction templates, their checks and lengths
mixture/            weights and draws
stream              read a mixture as training does
model/              make and inspect model folders
train, generate     tune a model, and ask it; asking: once, or each line of a file
evaluate, score     a model, and predictions of a file, on datasets
evaluated, scored   which datasets; what is shown of a file; score_table: of a report
compare             two reports of evaluations
rm, clean           delete data; removing: what both share
doctor/             what works on this machine; completion: for the shell

common, arguments   options of many verbs; own_datasets: `--datasets`; derived: options made from settings
rendering           options of the verbs that render
built, previews     the datasets and the samples behind names; html_page: `--html`
failures            one error for all damage that was found
"""
