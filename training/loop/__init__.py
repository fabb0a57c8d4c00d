"""The training loop and what it calls; resumes to the last bit.

trainer       the loop
step          one optimiser step; losses: the module that it runs; optimizer: AdamW and learning rate
ranks         the processes of a run; sharding: a language model split over them
data          the stream that a run trains on
checks        what is measured at some steps
validation    the held-in validation loss by dataset
scoring       scores by the datasets' metrics; asked_parts: the questions
start         the model folder that a run begins from
run           model and optimiser, new or resumed; run_folder: its lock, and what is saved in it
checkpoint    saves and loads a run; record: checksums of its files; keeping: which checkpoints stay
step_log      what is logged of every step; speed: its samples, tokens and FLOPs; member_epochs: epochs of each member
train_log     `log.jsonl`; tensorboard: curves; terminal: what a person sees; run_facts: what a run is
"""
