"""Model folders on disk, in the format of transformers: found, checked, fingerprinted. No tensor is loaded.

hub          a folder or a hub id to a folder
headers      the tensors of a folder, from the headers of its safetensors files
config_file  config.json of an InstructBLIP folder
folder       a checked model folder
fingerprint  SHA-256 over a folder's weights, configuration and tokenizers
"""
