"""How the weights of a training lie on the ranks that share it: whole on each (DDP), or a part of them on each (FSDP2).

Either way gradients are those of the whole batch, and no other file needs to know which it is.
"""

import contextlib
import copy
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import tree_map_only
from transformers.modeling_layers import GradientCheckpointingLayer

from trainables.features import Features
from trainables.heads import num_averaged
from trainables.layers import Rule
from trainables.model import Model
from trainables.packing import pack, split_units, unit_bounds
from trainables.ranks import rank_and_number

log = logging.getLogger(__name__)


class Spread:
    """A model that is trained by all ranks; alone, it is plainly the model.

    At most `max_tokens` go forward at once. Where `shard_on` is a device and there are several ranks, that holds this rank's part of
    weights, gradients and moments. Then the given model holds no weights while they train, except on the first rank, and `gather` puts
    them back there.
    """

    def __init__(self, model: Model, shard_on: torch.device | None, max_tokens: int) -> None:
        self.rank, self.num_ranks = rank_and_number()
        self.is_sharded = shard_on is not None and self.num_ranks > 1
        self._given = model
        self._max_tokens = max_tokens
        self._recomputes = False
        self.model = _sharded(model, shard_on) if shard_on is not None and self.is_sharded else model
        self._called: nn.Module = self.model

    def freeze(self, rule: Rule) -> None:
        """Leaves out of training what the rule does not name."""
        self.model.freeze(rule)
        if self.num_ranks > 1 and not self.is_sharded:
            # in a mixture a step leaves the other tasks' heads unused
            self._called = DistributedDataParallel(self.model, find_unused_parameters=len(self.model.heads) > 1, broadcast_buffers=False)

    def compute_gradients(self, batch: Features, task: str, seed: int, kept_TD: NDArray[np.float32] | None = None) -> Tensor:
        """Accumulates the gradients of the mean loss of the whole batch, of which this rank computes its share; returns that mean.

        `seed` is dropout's. `kept_TD` is what the frozen layers give for the tokens of the batch, if that is known. A process that trains
        alone and runs out of memory tries again with less at once; the last OutOfMemoryError says what did not fit.
        """
        while True:
            seed_dropout(self.model.device, seed)
            try:
                return self._accumulate(batch, task, kept_TD)
            except torch.OutOfMemoryError as error:
                if self.num_ranks > 1:
                    raise  # the others are in step
                self._ask_for_less(batch, error)

    def _ask_for_less(self, batch: Features, error: torch.OutOfMemoryError) -> None:
        """Half as many tokens at once; when that is a single sequence or question, activations are computed again in the backward pass."""
        longest = int(np.diff(batch.offsets[unit_bounds(batch)]).max())
        if self._max_tokens > longest:
            self._max_tokens = max(longest, min(self._max_tokens, len(batch.token_ids)) // 2)
        elif not self._recomputes:
            self.model.encoder.gradient_checkpointing_enable()
            self._recomputes = True
        else:
            raise torch.OutOfMemoryError(
                f"{longest} tokens of one sequence or question do not fit into memory, even alone and without kept activations: lower "
                f"max_length, use bfloat16, or a device with more memory ({error})"
            ) from error
        log.warning(
            "out of memory; going on with at most %d tokens at once%s", self._max_tokens, ", recomputed" if self._recomputes else ""
        )
        self.model.zero_grad()
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()

    def _accumulate(self, batch: Features, task: str, kept_TD: NDArray[np.float32] | None) -> Tensor:
        device = self.model.device
        num = max(num_averaged(batch), 1)
        loss = torch.zeros((), device=device)
        shares = [list(split_units(batch, self._max_tokens, rank, self.num_ranks)) for rank in range(self.num_ranks)]
        mine = shares[self.rank]
        # sharded weights are gathered for every pass, so all ranks make as many: what is passed once more counts for nothing
        num_passes = max(len(share) for share in shares) if self.is_sharded else len(mine)
        for place in range(num_passes):
            is_counted = place < len(mine)
            with self._reducing(is_last=place == num_passes - 1):
                packed = pack(batch, mine[place if is_counted else 0], device)
                states = None if kept_TD is None else torch.from_numpy(kept_TD[packed.rows_T]).to(device, non_blocking=True)
                share: Tensor = self._called(packed, task, states) / num * is_counted
                (share * self.num_ranks).backward()  # what is averaged over ranks must be multiplied by them to be a sum
            loss += share.detach()
        if self.num_ranks > 1:
            dist.all_reduce(loss)
        return loss

    def weights(self) -> dict[str, Tensor]:
        """What this rank holds of the model's state: no copies."""
        return {name: _held(tensor).detach() for name, tensor in self.model.state_dict().items()}

    def put_weights(self, weights: dict[str, Tensor]) -> None:
        """Puts back what `weights` gave."""
        for name, tensor in self.weights().items():
            tensor.copy_(weights[name])

    @property
    def saves(self) -> bool:
        """Whether this rank's state is worth saving: if it is whole, the first one's is everybody's."""
        return self.is_sharded or self.rank == 0

    def checkpoints(self, folder: Path) -> Path:
        """Where the state of this rank lies."""
        return folder / f"{self.rank}-of-{self.num_ranks}" if self.is_sharded else folder

    def gather(self) -> None:
        """Puts the trained weights into the given model; if they were sharded, that of the first rank alone."""
        if not self.is_sharded:
            return
        given = self._given.state_dict()
        for name, tensor in self.model.state_dict().items():
            whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
            if self.rank == 0:
                given[name].copy_(whole)

    def _reducing(self, *, is_last: bool) -> contextlib.AbstractContextManager[object]:
        """Gradients that are whole on each rank are averaged once, with the last pass; those of parts at each, lest all be held."""
        if is_last or not isinstance(self._called, DistributedDataParallel):
            return contextlib.nullcontext()
        return self._called.no_sync()


def seed_dropout(device: torch.device, seed: int) -> None:
    """As `torch.manual_seed`, of one device: that notes a traceback for every kind of device that is not there, which takes 2 ms a step."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def moments(optimizer: torch.optim.Optimizer) -> dict[str, object]:
    """What this rank holds of the optimizer's state."""
    held: dict[str, object] = tree_map_only(DTensor, DTensor.to_local, optimizer.state_dict())
    return held


def put_moments(optimizer: torch.optim.Optimizer, held: dict[str, object]) -> None:
    """Puts back what `moments` gave."""
    optimizer.load_state_dict(held)
    for parameter, state in optimizer.state.items():
        if isinstance(parameter, DTensor):
            state |= {name: _as_part(tensor, parameter) for name, tensor in state.items() if tensor.ndim}


def _as_part(held: Tensor, parameter: DTensor) -> DTensor:
    mesh, placements = parameter.device_mesh, parameter.placements
    return DTensor.from_local(held, mesh, placements, run_check=False, shape=parameter.shape, stride=parameter.stride())


def _held(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _sharded(model: Model, device: torch.device) -> Model:
    """A copy of `model` whose weights are the first rank's, in parts on `device`s; layer by layer they are gathered to compute.

    In bfloat16 a layer is gathered as what autocast would make of it, so that no cast copy outlives its turn; its norms, the embeddings and
    the heads are gathered in float32, for autocast computes with those.
    """
    sharded = _without_weights(model)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    layers = [module for module in sharded.encoder.modules() if isinstance(module, GradientCheckpointingLayer)]
    assert layers, f"the layers of {type(sharded.encoder).__name__} are found by their class"
    fully_shard([module for layer in layers for module in _norms(layer)], mesh=mesh)
    is_half = model.precision == "bfloat16"
    cast = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False) if is_half else MixedPrecisionPolicy()
    for layer in layers:
        fully_shard(layer, mesh=mesh, mp_policy=cast)
    fully_shard(sharded, mesh=mesh, reshard_after_forward=True)  # the rest: embeddings are large
    register_fsdp_forward_method(sharded, "logits")
    sharded.to_empty(device=device)
    for mine, given in zip(_tensors(sharded), _tensors(model), strict=True):
        whole = torch.empty(given.shape, dtype=given.dtype, device=device)
        if dist.get_rank() == 0:
            whole.copy_(given)
        dist.broadcast(whole, 0)
        part = distribute_tensor(whole, mesh, mine.placements, src_data_rank=None) if isinstance(mine, DTensor) else whole
        _held(mine).copy_(_held(part))
    return sharded


def _without_weights(model: Model) -> Model:
    """A copy on the meta device, which takes no memory."""
    empty: dict[int, object] = {
        id(parameter): nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad) for parameter in model.parameters()
    }
    empty |= {id(buffer): torch.empty_like(buffer, device="meta") for buffer in model.buffers()}
    return copy.deepcopy(model, empty)


def _tensors(model: Model) -> Iterator[Tensor]:
    for tensor in (*model.parameters(), *model.buffers()):
        yield tensor.detach()


def _norms(layer: nn.Module) -> Iterator[nn.Module]:
    """Layer norms and their like, by name: families bring their own."""
    return (module for module in layer.modules() if "Norm" in type(module).__name__)
