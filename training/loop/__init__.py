"""The training loop and what it calls; resumes to the last bit.

trainer       the loop
step          one optimiser step; losses: the module that it runs; optimizer: AdamW and learning rate
ranks         the processes of a run; sharding: a language model split over them
data          the stream that a run trains on
run           model and optimiser, new or resumed
checkpoint    saves and loads a run; record: checksums of its files
train_log     `log.jsonl`
"""
