"""ib_data: the data and training side of InstructBLIP (arXiv 2305.06500).

Official files of vision-language datasets become WebDataset shards with a Parquet index, instructions
rendered from templates, a mixture weighted by the square root of dataset sizes, and training runs.
Start with `ib-data --help` and the README, which has the glossary.
"""

__version__ = "0.1.0"
