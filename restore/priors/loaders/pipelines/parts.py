"""The parts of a pipeline of diffusers: networks, codecs, text encoders and tokenizers, by the classes that define them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from restore.device.memory import free, is_lack_of_memory, spell
from restore.errors import OutOfMemoryError, PriorError
from restore.priors.loaders.build import last_line
from restore.priors.loaders.diffusers_scheduler import alphas_cumprod
from restore.priors.loaders.diffusers_schema import CHAIN
from restore.priors.loaders.fields import check_fields, shown
from restore.priors.loaders.hub import ModelFiles, read_json
from restore.priors.loaders.weights import check_values

TEXT_CLASSES = ("CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel", "Gemma2Model")
TOKENIZER_CLASSES = (
    "CLIPTokenizer",
    "CLIPTokenizerFast",
    "T5Tokenizer",
    "T5TokenizerFast",
    "GemmaTokenizer",
    "GemmaTokenizerFast",
)
TOKENIZER_FILES = (
    "tokenizer_config.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
)
EXTRA = "pip install 'diffusion-restore[text]'"


@dataclass(frozen=True)
class Parts:
    """The parts of one pipeline.

    Attributes:
        files: of the pipeline.
        index: its `model_index.json`.
        dtype: what networks are to be computed in; see `NetworkPrior`.
    """

    files: ModelFiles
    index: Mapping[str, Any]
    dtype: torch.dtype | None = field(default=torch.float32)

    @property
    def source(self) -> str:
        """The prior's name in errors."""
        return f"prior {self.files.name}"

    def has(self, name: str) -> bool:
        """Whether the pipeline has a part of this name."""
        return self.index.get(name) not in (None, [None, None])

    def network(self, name: str, *classes: str, dtype: torch.dtype | None = None) -> Any:
        """A network or codec of diffusers with its weights, in evaluation mode.

        Args:
            classes: those that it may be of.
            dtype: of its weights; by default float16 or bfloat16 where the networks are to be computed in it, else float32.

        Raises: PriorError if it is missing, damaged, or of another class; OutOfMemoryError.
        """
        kind = self._class_of(name, "diffusers", classes)
        folder, weights = self._fetched(name, "diffusion_pytorch_model")
        half = self.dtype if self.dtype in (torch.float16, torch.bfloat16) else torch.float32
        dtype = half if dtype is None else dtype
        self._check_room(weights, dtype)
        with self._loading(name):
            import diffusers

            made, told = getattr(diffusers, kind).from_pretrained(
                folder,
                torch_dtype=dtype,
                local_files_only=True,
                output_loading_info=True,
                use_safetensors=weights[0].suffix != ".bin",
                variant="fp16" if ".fp16." in weights[0].name else None,
            )
        if told["missing_keys"] or told["unexpected_keys"] or told["mismatched_keys"]:
            counts = ", ".join(
                f"{len(told[key])} {key.split('_')[0]}" for key in sorted(told) if key.endswith("_keys") and told[key]
            )
            raise PriorError(f"{self.source}: the weights of its {name} do not fit its config: {counts} tensors")
        check_values({key: value for key, value in made.state_dict().items() if value.is_floating_point()}, self.source)
        return made.eval().requires_grad_(False)

    def text_encoder(self, name: str) -> Any:
        """A text encoder of transformers with its weights, float32 unless networks are to be computed in bfloat16."""
        self._need_transformers()
        kind = self._class_of(name, "transformers", TEXT_CLASSES)
        folder, weights = self._fetched(name, "model", "pytorch_model")
        dtype = self.dtype if self.dtype == torch.bfloat16 else torch.float32
        self._check_room(weights, dtype)
        with self._loading(name):
            import transformers

            variant = "fp16" if ".fp16." in weights[0].name else None
            made = getattr(transformers, kind).from_pretrained(folder, local_files_only=True, variant=variant).to(dtype)
        return made.eval().requires_grad_(False)

    def tokenizer(self, name: str) -> Any:
        """A tokenizer of transformers."""
        self._need_transformers()
        kind = self._class_of(name, "transformers", TOKENIZER_CLASSES)
        found = [path for file in TOKENIZER_FILES if (path := self.files.get(f"{name}/{file}")) is not None]
        if not found:
            raise PriorError(
                f"{self.source}: no {name}; looked for {' and '.join(f'{name}/{file}' for file in TOKENIZER_FILES)}"
            )
        with self._loading(name):
            import transformers

            return getattr(transformers, kind).from_pretrained(found[0].parent, local_files_only=True)

    def chain(self, name: str) -> torch.Tensor:
        """abar (T,) of a scheduler that is a part beside the pipeline's own."""
        return alphas_cumprod(
            self.files.name, check_fields(self.config(name, "scheduler_config.json"), CHAIN, self.source, more=True)
        )

    def config(self, name: str, file: str = "config.json") -> dict[str, Any]:
        """The config of a part."""
        return read_json(self.files.need(f"config of its {name}", f"{name}/{file}"), self.source)

    def _class_of(self, name: str, library: str, classes: tuple[str, ...]) -> str:
        told = self.index.get(name)
        if not isinstance(told, list) or len(told) != 2:
            raise PriorError(f"{self.source}: model_index.json names no {name}; it is a part of every such pipeline")
        if told[0] != library or told[1] not in classes:
            raise PriorError(
                f"{self.source}: its {name} is a {shown(told[1])} of {shown(told[0])}; known: {', '.join(classes)}"
            )
        return str(told[1])

    def _fetched(self, name: str, *stems: str) -> tuple[Path, list[Path]]:
        """The folder of a part, and the files of its weights."""
        folder = self.files.need(f"config of its {name}", f"{name}/config.json").parent
        kinds = [f"{name}/{stem}{end}" for stem in stems for end in (".safetensors", ".safetensors.index.json")]
        kinds += [f"{name}/{stem}.fp16.safetensors" for stem in stems] + [f"{name}/{stem}.bin" for stem in stems]
        found = self.files.need(f"weights of its {name}", *kinds)
        if found.suffix != ".json":
            return folder, [found]
        shards = read_json(found, self.source).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
            raise PriorError(f"{self.source}: {found.name} names no files of weights")
        named = sorted(set(shards.values()))
        return folder, [self.files.need(f"weights of its {name}", f"{name}/{shard}") for shard in named]

    def _check_room(self, weights: list[Path], dtype: torch.dtype) -> None:
        """Raises OutOfMemoryError if the weights do not fit. Files of half precision take twice as much in float32."""
        sizes = sum(path.stat().st_size for path in weights)
        half = ".fp16." in weights[0].name
        needed = sizes * (2 if half and dtype == torch.float32 else 1)
        left = free(torch.device("cpu"))
        if needed > left:
            raise OutOfMemoryError(f"{self.source}: its weights take {spell(needed)}, and {spell(left)} are free")

    def _need_transformers(self) -> None:
        if find_spec("transformers") is None:
            raise PriorError(f"{self.source} takes text, for which the package transformers is missing: {EXTRA}")

    @contextmanager
    def _loading(self, name: str) -> Iterator[None]:
        """Errors of libraries are PriorErrors; their warnings and progress are nobody's."""
        try:
            with quiet():
                yield
        except PriorError:
            raise
        except Exception as error:  # Of many types, for damaged files and configs that describe nothing.
            if is_lack_of_memory(error):
                raise
            raise PriorError(f"{self.source}: its {name} cannot be loaded: {last_line(error)}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the warnings, logs and progress bars of diffusers and transformers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers

        loud = {"diffusers": diffusers.utils.logging}
        if find_spec("transformers") is not None:
            import transformers

            loud["transformers"] = transformers.utils.logging
        before = {name: library.get_verbosity() for name, library in loud.items()}
        bars = {name: library.is_progress_bar_enabled() for name, library in loud.items()}
        try:
            for library in loud.values():
                library.set_verbosity(logging.CRITICAL)
                library.disable_progress_bar()
            yield
        finally:
            for name, library in loud.items():
                library.set_verbosity(before[name])
                if bars[name]:
                    library.enable_progress_bar()


class WithKeywords(nn.Module):
    """A network of diffusers called with x, times (B,) and the keywords of a condition; returns its output's tensor.

    Args:
        network: of diffusers.
        renamed: keyword -> the network's own; one with a dot, `a.b`, goes into the dictionary `a` that the network takes.
        fixed: keywords that are always the same.
    """

    channels_last = False

    def __init__(self, network: Any, renamed: Mapping[str, str] | None = None, fixed: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.network, self.renamed, self.fixed = network, dict(renamed or {}), dict(fixed or {})

    def forward(self, x: torch.Tensor, time: torch.Tensor, **given: torch.Tensor) -> torch.Tensor:
        keywords: dict[str, Any] = dict(self.fixed)
        for name, value in given.items():
            name = self.renamed.get(name, name)
            group, dot, inner = name.partition(".")
            if dot:
                keywords.setdefault(group, {})[inner] = value
            else:
                keywords[name] = value
        answer: torch.Tensor = self.network(x, timestep=time, return_dict=False, **keywords)[0]
        return answer
