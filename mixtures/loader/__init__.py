"""The stream in PyTorch.

loader          a dataset for any DataLoader, and a loader with its own workers
ranks           world and rank, from torch.distributed or torchrun
image_batch     a batch as tensors, each image once
handover        batches from worker to consumer through shared memory
worker_faults   worker errors as one line
torch_defaults  PyTorch defaults the package needs
throughput      how fast a stream is
"""
