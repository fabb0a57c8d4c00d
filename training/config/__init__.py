"""The configuration of a training run; the packaged ones are in `training/configs/*.toml`.

train_config  the keys of a run, with their ranges, and which of them may differ in a resumed run
config_file   reads a configuration from a TOML file, over its `base`, with `key=value` overrides
"""
