"""What a run costs before it starts: FLOPs, parameters, memory and time, from the configuration of a model alone.

shapes      configurations of the paper's four models, and the one in a model folder
parts       the parts of a model on the meta device: parameters, and the sizes of their matrices
flops       FLOPs of a training step, by the lengths of its rows
memory      bytes of weights, optimiser and activations
ceiling     the matrix ceiling of this machine, measured
folder_facts  what a model folder holds, for `ib-data model show`
dry_run     the report of `ib-data train CONFIG --dry-run`; report: as text
"""
