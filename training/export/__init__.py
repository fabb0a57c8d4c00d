"""A tuned run as a complete model folder that plain transformers loads.

export_run    a checkpoint and its start folder to a new folder
settings      config.json and tokenizers that make transformers do what the run did
model_card    README.md: data, licences, mixture, configuration, results
"""
