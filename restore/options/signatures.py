"""The options of every task as keywords, for signatures: the same fields as `RunOptions`, by scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from restore.guidance.guidance import Guidance
    from restore.sampling.samplers import Sampler
else:
    Guidance = Sampler = object


class SolveKeywords(TypedDict, total=False):
    """The options of scope "call" but the method, for signatures."""

    seed: int
    name: str
    quality: Literal["fast", "balanced", "best"]
    steps: int | None
    sampler: str | Sampler | None
    samples: int
    fidelity: float | None
    adapt: str | int | None
    prompt: str | None
    negative_prompt: str | None
    guidance_scale: float | None
    label: str | None


class CallKeywords(SolveKeywords, total=False):
    """The options of scope "call", for signatures."""

    guidance: str | Guidance | None


class PriorKeywords(TypedDict, total=False):
    """The options of scope "prior" but `prior` itself, for signatures."""

    device: str | None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] | None
    tile: int | None
    max_memory: str | int | None
    max_pixels: int
    offload: Literal["none", "auto"]
    compile: bool
