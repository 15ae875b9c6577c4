"""Batch normalisation over the batch of all processes, so that many train as one does.

PyTorch's SyncBatchNorm does this on GPUs only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["synchronise_batch_norm"]


def synchronise_batch_norm(network: nn.Module) -> None:
    """Let the batch normalisations inside of a network use the statistics of all processes' batches, of equal size.

    The layers are replaced in place; their parameters and buffers stay the very same tensors.
    """
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(network, name, _synchronised(child))
        else:
            synchronise_batch_norm(child)


def _synchronised(layer: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Module:
    new = _SynchronisedBatchNorm(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
    for name, parameter in layer.named_parameters(recurse=False):
        setattr(new, name, parameter)
    for name, buffer in layer.named_buffers(recurse=False):
        setattr(new, name, buffer)
    return new.train(layer.training)


class _SynchronisedBatchNorm(nn.modules.batchnorm._BatchNorm):
    def _check_input_dim(self, values: Tensor) -> None:
        assert values.ndim >= 2, "a batch and its channels"

    def forward(self, values: Float[Tensor, "B C *S"]) -> Float[Tensor, "B C *S"]:
        """The normalised batch of this process."""
        if not self.training:
            return super().forward(values)
        precise = values if values.dtype == torch.float64 else values.float()
        others = [0, *range(2, values.ndim)]
        shape = (1, -1, *[1] * (values.ndim - 2))
        variances, means = torch.var_mean(precise, others, correction=0)
        # Variances add up about the common mean, so that none comes from a difference of large squares.
        means, variances = _of_all_processes(torch.stack([means, variances])).unbind(1)
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
                count = values.numel() // values.shape[1] * dist.get_world_size()
                self.running_mean.lerp_(mean.to(self.running_mean), momentum)
                self.running_var.lerp_(variance.to(self.running_var) * (count / (count - 1)), momentum)
        normalised = (precise - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(values.dtype)


class _OfAllProcesses(torch.autograd.Function):
    """Stacks every process's values; what one process gives is felt in every process's loss."""

    @staticmethod
    def forward(_context: Any, values: Float[Tensor, "K C"]) -> Float[Tensor, "P K C"]:
        stacked = [torch.empty_like(values) for _ in range(dist.get_world_size())]
        dist.all_gather(stacked, values.contiguous())
        return torch.stack(stacked)

    @staticmethod
    def backward(_context: Any, gradient: Float[Tensor, "P K C"]) -> Float[Tensor, "K C"]:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient[dist.get_rank()]


def _of_all_processes(values: Float[Tensor, "K C"]) -> Float[Tensor, "P K C"]:
    stacked: Tensor = _OfAllProcesses.apply(values)
    return stacked
