"""A model over a dataset: what it says about every image, gathered over processes."""

from collections.abc import Callable, Iterator

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from grefel_hf import GReFELImageProcessor
from grefel_train.data.dataset import normalize, to_unit_range

# From pixel values (B, 3, S, S) to tensors (B, ...) by name.
Answers = Callable[[torch.Tensor], dict[str, torch.Tensor]]


@torch.no_grad()
def forward_batches(
    answers: Answers,
    loader: DataLoader,
    processor: GReFELImageProcessor,
    accelerator: Accelerator | None = None,
    title: str | None = None,
) -> Iterator[dict[str, torch.Tensor]]:
    """
    Of each batch, on the CPU: the answers, and the batch's other columns.

    Args:
        loader: batches with uint8 `pixels`; prepared by the accelerator where there is one, which gathers the batches
            of its processes, every image once.
        title: of a progress bar.
    """
    main_process = accelerator is None or accelerator.is_main_process
    for batch in tqdm(loader, desc=title, disable=title is None or not main_process, leave=False):
        columns = {name: values for name, values in batch.items() if name != "pixels"}
        found = answers(normalize(to_unit_range(batch["pixels"]), processor)) | columns
        if accelerator is not None:
            found = accelerator.gather_for_metrics(found)
        yield {name: values.cpu() for name, values in found.items()}


def concatenated(batches: Iterator[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Batches, (B, ...) by name, as one, (M, ...)."""
    gathered: dict[str, list[torch.Tensor]] = {}
    for batch in batches:
        for name, values in batch.items():
            gathered.setdefault(name, []).append(values)
    return {name: torch.cat(values) for name, values in gathered.items()}
