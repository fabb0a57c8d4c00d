"""Model folders on disk, in the format of transformers: found, checked, fingerprinted, made.

hub              a folder or a hub id to a folder
headers          the tensors of a folder, from the headers of its safetensors files
config_file      config.json of an InstructBLIP folder
folder           a checked model folder
fingerprint      SHA-256 over a folder's weights, configuration and tokenizers
miniature        the miniature's folders, assembled from the shipped parts
backbones        the shipped parts; backbones_writing: writes them

merge, new       a start folder from BLIP-2 and text weights; from a language model and a vision encoder
sources          the folders that a start folder is made of
plan             where each tensor comes from, and the report; values: rows and tensors that no source has
start            writes a start folder; writing: safetensors files; tokenizer_files: tokenizers and processor
trained_on       the datasets of the run behind an exported folder
"""
