"""Conditions made of text, by a pipeline's own tokenizers and encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from restore.priors.latent.conditions import Condition, Conditioner, Conditions
from restore.priors.loaders.pipelines.parts import quiet
from restore.problem import Problem

Keywords = Mapping[str, Tensor]
Encode = Callable[[str, "str | None", "tuple[int, int] | None", torch.device], "tuple[Keywords, Keywords]"]


class Text(Conditioner):
    """A prompt and a negative prompt; both empty unless something is asked for.

    Args:
        encode: from prompt, negative prompt, the picture's (H, W) and a device to the network's keywords, for the prompt and
            for the negative one.
        encoders: the text encoders by name.
        scale: of classifier-free guidance, where a prompt is given.
    """

    def __init__(self, encode: Encode, encoders: Mapping[str, nn.Module], scale: float) -> None:
        self.encode, self.encoders, self.scale = encode, dict(encoders), scale

    def condition(self, asked: Conditions, problem: Problem | None, device: torch.device) -> Condition:
        asked.only("prompt", "negative_prompt", "guidance_scale")
        told = asked.prompt is not None or asked.negative_prompt is not None
        scale = asked.guidance_scale if asked.guidance_scale is not None else self.scale if told else 1.0
        size = None if problem is None else (problem.shape[-2], problem.shape[-1])
        with quiet():
            given, nothing = self.encode(asked.prompt or "", asked.negative_prompt, size, device)
        # As diffusers does: a scale of 1 or less is no guidance.
        return Condition(given=given, nothing=nothing, scale=scale) if scale > 1 and told else Condition(given=given)

    def modules(self) -> Mapping[str, nn.Module]:
        return self.encoders


def pipeline_of(name: str, **parts: Any) -> Any:
    """A pipeline of diffusers, of which only the encoding of prompts is used."""
    with quiet():
        import diffusers

        return getattr(diffusers, name)(**parts)
