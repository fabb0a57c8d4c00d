"""The stream as PyTorch batches.

loader          a dataset for any DataLoader, and a loader with its own workers
ranks           world and rank, from torch.distributed or torchrun
image_batch     a batch as tensors, each image once
handover        batches from worker to consumer through shared memory
worker_faults   turns worker errors into one line
torch_defaults  PyTorch defaults that the package needs
throughput      measures how fast a stream is
"""
