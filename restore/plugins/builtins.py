"""The toolkit's own guidance methods, prior loaders and operators, registered as a plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from restore.degradation.built_in import BUILT_IN
from restore.plugins.manager import hookimpl


def _later(module: str, name: str) -> Callable[..., Any]:
    """A factory that imports its module when called, so that listing names does not load torch."""

    def factory(*args: Any, **keywords: Any) -> Any:
        return getattr(import_module(module), name)(*args, **keywords)

    return factory


@hookimpl
def restore_guidances() -> Mapping[str, Callable[..., Any]]:
    return {
        "blended-latents": _later("restore.guidance.blended_latents", "BlendedLatents"),
        "conditioned": _later("restore.guidance.conditioned", "Conditioned"),
        "daps": _later("restore.guidance.daps", "DAPS"),
        "ddnm": _later("restore.guidance.ddnm", "DDNM"),
        "ddrm": _later("restore.guidance.ddrm", "DDRM"),
        "denoising": _later("restore.guidance.denoising", "Denoising"),
        "denoising-samples": _later("restore.guidance.denoising", "DenoisingSamples"),
        "diffpir": _later("restore.guidance.diffpir", "DiffPIR"),
        "dps": _later("restore.guidance.dps", "DPS"),
        "latent-daps": _later("restore.guidance.latent_daps", "LatentDAPS"),
        "latent-ddnm": _later("restore.guidance.latent_ddnm", "LatentDDNM"),
        "latent-diffpir": _later("restore.guidance.latent_diffpir", "LatentDiffPIR"),
        "latent-dps": _later("restore.guidance.latent_dps", "LatentDPS"),
        "mmps": _later("restore.guidance.mmps", "MMPS"),
        "pigdm": _later("restore.guidance.pigdm", "PiGDM"),
        "pnp": _later("restore.guidance.pnp", "PnP"),
        "psld": _later("restore.guidance.psld", "PSLD"),
        "repaint": _later("restore.guidance.repaint", "RePaint"),
        "resample": _later("restore.guidance.resample", "ReSample"),
        "tds": _later("restore.guidance.tds", "TDS"),
        "whitening": _later("restore.guidance.whitening", "Whitening"),
    }


@hookimpl
def restore_priors() -> Mapping[str, Callable[..., Any]]:
    return {
        "folder": _later("restore.priors.loaders.load", "from_folder"),
        "diffusers": _later("restore.priors.loaders.diffusers", "from_diffusers"),
        "adm": _later("restore.priors.loaders.adm", "from_adm"),
        "score-sde": _later("restore.priors.loaders.score_sde", "from_score_sde"),
    }


@hookimpl
def restore_operators() -> Mapping[str, Callable[..., Any]]:
    return BUILT_IN
