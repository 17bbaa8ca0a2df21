"""Runs of `restore train`: from its options to the data, the model, its objective and what is drawn meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch

from restore import pretrained
from restore.errors import RestoreError, UsageError
from restore.networks.presets import PRESETS
from restore.objectives import CodecObjective, Objective
from restore.priors.loaders import codec_folder
from restore.priors.loaders import folder as model_folder
from restore.priors.prior import Prior
from restore.priors.view import PriorView
from restore.training import autoencoders, export, families, pictures
from restore.training.budget import Budget, Report
from restore.training.card import card
from restore.training.data import Crops, load_crops
from restore.training.kinds import PRIORS, Kind
from restore.training.latents import LatentCrops, load_codec, scaled, settings_of
from restore.training.progress import progress_bar
from restore.training.train import train as run
from restore.wording import called

logger = logging.getLogger("restore")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SCALE, DROPOUT = 1.5, 0.1  # Of classifier-free guidance, and the share of classes that are not told.
CODEC_DEFAULTS: dict[str, Any] = {
    "factor": "4",
    "latent_channels": 4,
    "width": 32,
    "codebook": 512,
    "kl_weight": autoencoders.KL_WEIGHT,
}
CODECS = Kind(
    build=autoencoders.autoencoder,
    save=lambda out, config, model, text: codec_folder.save(out, model.network, text),
)


def train_prior(data: tuple[Path, ...], out: Path, budget: Budget, options: Mapping[str, Any]) -> int:
    """Train a prior; returns the exit code."""
    family_options = families.settings(options["family"], options)
    network = {**PRESETS[options["network"]], "channels": int(options["channels"])}
    latent, labelled = options["latent"] is not None, options["labels"]
    families.only_on_pictures(family_options, latent=latent, labelled=labelled)
    if options["label_dropout"] is not None and not labelled:
        raise UsageError(f"{called('label_dropout')} is of {called('labels')}")
    dropout = (DROPOUT if options["label_dropout"] is None else options["label_dropout"]) if labelled else None
    codec = load_codec(options["latent"], network["channels"], options["size"]) if latent else None
    if codec is not None:
        network["channels"] = codec.channels
        if "patch" in network:
            network["patch"] = 1  # Cells are patches already.
    crops = _crops(data, options, dropout)
    if crops.labels is not None:
        network["classes"] = len(crops.labels.names) + (crops.labels.dropout > 0)
    config = families.config(options["family"], network, family_options, options["sigma_start"])
    config["size"] = options["size"]  # The default size of `restore sample`.
    if crops.labels is not None:
        config["classes"] = {"names": list(crops.labels.names), "nothing": crops.labels.dropout > 0, "scale": SCALE}
    if codec is not None:
        config["codec"] = settings_of(codec, crops, options["seed"], out, options["resume"])
        codec = scaled(codec, config["codec"])
    if options["diffusers"]:
        export.check(config)

    def save(out: Path, config: dict[str, Any], prior: Prior, text: str) -> None:
        if codec is not None and not (out / model_folder.CODEC / codec_folder.CONFIG).exists():
            codec_folder.save(out / model_folder.CODEC, codec.network)
        model_folder.save(out, config, prior, text)

    def draw(prior: Prior, report: Report, losses: Sequence[float]) -> None:
        _draw_loss(out, report, losses)
        try:
            shown = model_folder.completed(prior, config, codec)
            pictures.write(
                out / "samples.png", pictures.samples(shown, options["size"], config.get("classes", {}).get("names"))
            )
        except (RestoreError, RuntimeError) as error:  # Such as too little memory; the run goes on.
            logger.warning("samples.png could not be made: %s", error)
        if options["diffusers"]:
            export.to_diffusers(prior, config, options["size"], out / "diffusers")

    return _run(
        data,
        out,
        budget,
        options,
        config,
        families.objective(config, family_options),
        crops if codec is None else LatentCrops(crops, codec),
        kind=replace(PRIORS, save=save),
        compile_network=options["compile_network"],
        initial=None if options["init"] is None else _network_prior(pretrained.prior(options["init"])),
        on_checkpoint=draw,
    )


def train_codec(data: tuple[Path, ...], out: Path, budget: Budget, options: Mapping[str, Any]) -> int:
    """Train a codec; returns the exit code."""
    settings = {name: default if options[name] is None else options[name] for name, default in CODEC_DEFAULTS.items()}
    factor = int(settings["factor"])
    for name, kind in (("codebook", "vq"), ("kl_weight", "kl")):
        if options[name] is not None and options["codec"] != kind:
            raise UsageError(f"{called(name)} is for {called('codec', kind)}")
    if options["size"] % factor:
        raise UsageError(
            f"{called('size', options['size'])} is no multiple of the cells of {factor} pixels; give another {called('factor')}"
        )
    if settings["width"] % autoencoders.GROUPS:
        raise UsageError(f"{called('width', settings['width'])} is no multiple of {autoencoders.GROUPS}")
    config = autoencoders.config(options["codec"], channels=int(options["channels"]), **{**settings, "factor": factor})
    crops = _crops(data, options, None)
    shown = crops.batch(16, options["seed"], 0)

    def draw(model: autoencoders.Autoencoder, report: Report, losses: Sequence[float]) -> None:
        _draw_loss(out, report, losses)
        with torch.no_grad():
            decoded = model(shown.to(next(model.parameters()).device), 0).x.cpu()
        pictures.write(out / "reconstructions.png", pictures.pairs(shown, decoded))

    weight = config["loss"].get("kl_weight", 1.0)
    return _run(data, out, budget, options, config, CodecObjective(weight), crops, kind=CODECS, on_checkpoint=draw)


def _network_prior(prior: Any) -> Prior:
    """A prior without its codec and conditions."""
    while isinstance(prior, PriorView):
        prior = prior.prior
    found: Prior = prior
    return found


def _crops(data: tuple[Path, ...], options: Mapping[str, Any], dropout: float | None) -> Crops:
    names = ("size", "scales", "procedural", "gray", "jitter", "flip", "detail", "seed")
    return load_crops(data, channels=int(options["channels"]), labels=dropout, **{name: options[name] for name in names})


def _draw_loss(out: Path, report: Report, losses: Sequence[float]) -> None:
    if report.progress < 1:
        logger.info("step %d, loss %.4f, %.0f %% of the budget", report.step, report.loss, 100 * report.progress)
    if losses:
        pictures.write(out / "loss.png", pictures.loss_curve(losses))


def _run(
    data: tuple[Path, ...],
    out: Path,
    budget: Budget,
    options: Mapping[str, Any],
    config: dict[str, Any],
    objective: Objective,
    crops: Crops | LatentCrops,
    **others: Any,
) -> int:
    """Run the loop with the options that all models share; returns the exit code."""
    with progress_bar(options["batch"]) as show:
        report = run(
            config,
            objective,
            crops,
            out,
            budget,
            batch=options["batch"],
            learning_rate=options["lr"],
            ema=options["ema"],
            seed=options["seed"],
            dtype=DTYPES[options["dtype"]],
            resume=options["resume"],
            save_every=options["save_every"],
            accumulate=options["accumulate"],
            optimizer_name=options["optimizer"],
            tracker=options["tracker"],
            card=lambda report: card(data, out, options, config, crops if isinstance(crops, Crops) else crops.crops, report),
            on_step=show,
            **others,
        )
    logger.info("step %d, loss %.4f, %.0f s", report.step, report.loss, report.seconds)
    if report.stopped_by:
        return 128 + report.stopped_by
    click.echo(str(out))
    return 0
