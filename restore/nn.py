"""Restoration as a module of a network, with gradients.

inpaint = restore.nn.Restore("inpaint")
restored = inpaint(images, mask=masks)  # (B, C, H, W) in [0, 1], as the images
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from restore.api.restorer import Restorer
from restore.errors import PictureError, UsageError
from restore.images.picture import Picture
from restore.options.checked import describe
from restore.priors.prior import Prior
from restore.task import Task


class Restore(nn.Module):
    """A task with its options, for batches of tensors; for `nn.Sequential` and kornia's `AugmentationSequential`.

    Where the images require a gradient, the result has it: backpropagation goes through every step of the run. That is exact
    for point estimates; methods that draw noise are refused then. What a task measures in a picture, such as its noise, and
    what rounding to whole numbers does, as in a JPEG, count as constants.

    Args:
        task: a task's name, or a task.
        prior: a name, as for `Restorer.from_pretrained`, a `Prior` or a `Restorer`.
        keywords: the task's own options, and those of `Restorer.stream`.

    Raises: UsageError for an unknown task or option.
    """

    def __init__(self, task: str | Task, prior: str | Prior | Restorer = "photo", **keywords: Any) -> None:
        super().__init__()
        self.restorer = _restorer(prior)
        self.prior = self.restorer.prior
        self.task = self.restorer.request(task, {**keywords, **dict.fromkeys(_pictures(task))}).task
        self.keywords = dict(keywords)

    def forward(self, images: Tensor, **pictures: Any) -> Tensor:
        """The restored images, of the dtype and on the device of `images`; their size, and channels, may be others.

        Args:
            images: (B, C, H, W) or (C, H, W) in [0, 1], C = 1 or 3.
            pictures: options of the task that hold a picture, such as `mask`: one for all images, or a tensor (B, ...).

        Raises: PictureError for another shape, dtype or range; UsageError for other options.
        """
        batch = _checked(images)
        own = {option.name for option in describe(self.task.Options) if option.picture}
        for name in pictures:
            if name not in own:
                raise UsageError(f"{name!r} is no picture of {self.task.name}; give it to Restore(...)")
        done = [self._one(batch[index], _part(pictures, index, len(batch)), index) for index in range(len(batch))]
        found = torch.stack(done).to(images.device, images.dtype)
        return found if images.ndim == 4 else found[0]

    def extra_repr(self) -> str:
        return ", ".join([repr(self.task.name), *(f"{name}={value!r}" for name, value in self.keywords.items())])

    def _one(self, image: Tensor, pictures: Mapping[str, Any], index: int) -> Tensor:
        keywords = {"name": str(index), **self.keywords, **pictures}
        pixels = image[None].float().cpu() * 2 - 1
        picture = Picture(pixels=pixels, kind="gray" if len(image) == 1 else "colour", depth=16)
        if not (torch.is_grad_enabled() and image.requires_grad):
            found = self.restorer(self.task, picture, **keywords).picture
            assert found is not None
        else:
            found = self.restorer.with_gradients(self.task, picture, **keywords)
        return (found.pixels[0] + 1) / 2


def _restorer(prior: str | Prior | Restorer) -> Restorer:
    if isinstance(prior, Restorer):
        return prior
    return Restorer(prior) if isinstance(prior, Prior) else Restorer.from_pretrained(prior)


def _pictures(task: str | Task) -> list[str]:
    """Options that hold a picture and must be given, but come with the images."""
    from restore.plugins import manager

    found = manager.load().task(task) if isinstance(task, str) else task
    return [] if not isinstance(found, Task) else [option.name for option in describe(found.Options) if option.picture]


def _checked(images: Tensor) -> Tensor:
    if not isinstance(images, Tensor) or not images.is_floating_point():
        found = str(images.dtype) if isinstance(images, Tensor) else type(images).__name__
        raise PictureError(f"images are a tensor of floats in [0, 1], got {found}")
    if images.ndim not in (3, 4) or images.shape[-3] not in (1, 3) or 0 in images.shape:
        raise PictureError(f"images are (B, C, H, W) or (C, H, W) of 1 or 3 channels, got {tuple(images.shape)}")
    low, high = (float(end) for end in images.detach().aminmax())
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise PictureError(f"images from {low:g} to {high:g}; expected [0, 1]")
    return images if images.ndim == 4 else images[None]


def _part(pictures: Mapping[str, Any], index: int, count: int) -> dict[str, Any]:
    """Of each picture that is a tensor (B, ...), the one of this index."""
    found = {}
    for name, value in pictures.items():
        if isinstance(value, Tensor) and value.ndim == 4:
            if len(value) not in (1, count):
                raise PictureError(f"{name}: {len(value)} pictures for {count} images")
            value = value[index if len(value) > 1 else 0]
        found[name] = value
    return found
