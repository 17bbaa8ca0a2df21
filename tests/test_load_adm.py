"""State-dicts of guided-diffusion: read off names and shapes, at the sizes of the published files too."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from toys import Command

from restore import pretrained
from restore.errors import PriorError, RestoreError, UsageError
from restore.networks.adm import ADM
from restore.priors import DDPM
from restore.priors.latent.conditions import Conditions
from restore.priors.loaders import adm
from restore.priors.loaders.fit import check_weights
from restore.testing import check_prior

Shapes = dict[str, tuple[int, ...]]


def shapes(
    width: int,
    multipliers: tuple[float, ...],
    blocks: int,
    attention: tuple[int, ...],
    *,
    channels: int = 3,
    answers: int = 6,
    resample_blocks: bool = True,
    scale_shift: bool = True,
    classes: int = 0,
) -> Shapes:
    """Names and shapes of a checkpoint of guided-diffusion, from its settings; `attention` is in shares of the side.

    A list of what each file holds, made apart from the network that is to be loaded.
    """
    told, table = 4 * width, {}

    def layer(name: str, *shape: int) -> None:
        table[f"{name}.weight"], table[f"{name}.bias"] = shape, shape[:1]

    def residual(name: str, before: int, after: int) -> None:
        layer(f"{name}.in_layers.0", before)
        layer(f"{name}.in_layers.2", after, before, 3, 3)
        layer(f"{name}.emb_layers.1", 2 * after if scale_shift else after, told)
        layer(f"{name}.out_layers.0", after)
        layer(f"{name}.out_layers.3", after, after, 3, 3)
        if before != after:
            layer(f"{name}.skip_connection", after, before, 1, 1)

    def attend(name: str, size: int) -> None:
        layer(f"{name}.norm", size)
        layer(f"{name}.qkv", 3 * size, size, 1)
        layer(f"{name}.proj_out", size, size, 1)

    layer("time_embed.0", told, width)
    layer("time_embed.2", told, told)
    if classes:
        table["label_emb.weight"] = (classes, told)
    size, place, stack = int(multipliers[0] * width), 0, []
    layer("input_blocks.0.0", size, channels, 3, 3)
    stack.append(size)
    for halvings, multiplier in enumerate(multipliers):
        for _ in range(blocks):
            place += 1
            residual(f"input_blocks.{place}.0", size, int(multiplier * width))
            size = int(multiplier * width)
            if 2**halvings in attention:
                attend(f"input_blocks.{place}.1", size)
            stack.append(size)
        if halvings + 1 < len(multipliers):
            place += 1
            if resample_blocks:
                residual(f"input_blocks.{place}.0", size, size)
            else:
                layer(f"input_blocks.{place}.0.op", size, size, 3, 3)
            stack.append(size)
    residual("middle_block.0", size, size)
    attend("middle_block.1", size)
    residual("middle_block.2", size, size)
    place = -1
    for halvings in reversed(range(len(multipliers))):
        for index in range(blocks + 1):
            place += 1
            residual(f"output_blocks.{place}.0", size + stack.pop(), int(multipliers[halvings] * width))
            size, next_ = int(multipliers[halvings] * width), 1
            if 2**halvings in attention:
                attend(f"output_blocks.{place}.1", size)
                next_ = 2
            if halvings and index == blocks:
                if resample_blocks:
                    residual(f"output_blocks.{place}.{next_}", size, size)
                else:
                    layer(f"output_blocks.{place}.{next_}.conv", size, size, 3, 3)
    layer("out.0", size)
    layer("out.2", answers, size, 3, 3)
    return table


AT_256 = (1, 1, 2, 2, 4, 4)
PUBLISHED = {
    "ffhq_10m.pt": shapes(128, AT_256, 1, (16,)),
    "256x256_diffusion_uncond.pt": shapes(256, AT_256, 2, (8, 16, 32)),
}
REDUCED = {
    "ffhq": shapes(32, AT_256, 1, (16,)),
    "imagenet": shapes(32, AT_256, 2, (8, 16, 32)),
    "convolutions": shapes(32, (1, 2), 1, (2,), resample_blocks=False, scale_shift=False, answers=3),
    "gray": shapes(64, (0.5, 1, 2), 2, (), channels=1, answers=2),
    "tiny": shapes(32, (1, 2), 1, (2,)),
    "one level": shapes(32, (1,), 2, (1,)),
}


def filled(table: Shapes) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=draw) / max(1, shape[-1] * len(shape)) for name, shape in table.items()}


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(content: Any, name: str = "file.pt") -> Path:
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_fit_by_every_name_and_shape(name: str) -> None:
    state = {key: torch.empty(shape, device="meta") for key, shape in PUBLISHED[name].items()}
    network = adm.architecture(state, name)
    check_weights({"family": "ddpm", "network": {"type": "adm", **network}}, state, name)
    large = name.startswith("256")
    assert network == {
        "channels": 3,
        "widths": [(256 if large else 128) * multiplier for multiplier in AT_256],
        "time_width": 256 if large else 128,
        "blocks": 2 if large else 1,
        "attention": [3, 4, 5] if large else [4],
        "resample_blocks": True,
        "scale_shift": True,
        "learned_variance": True,
    }


def test_the_table_of_shapes_counts_the_weights_that_the_paper_counts() -> None:
    """The 256x256 network of Dhariwal & Nichol 2021 has 554 million with its classes."""
    weights = sum(torch.Size(shape).numel() for shape in PUBLISHED["256x256_diffusion_uncond.pt"].values())
    assert weights == 552_814_086
    assert weights + 1000 * 4 * 256 == pytest.approx(554e6, abs=0.5e6)


@pytest.mark.parametrize("kind", REDUCED)
def test_a_file_is_the_network_it_was_saved_from(kind: str, file: Callable[..., Path]) -> None:
    state = filled(REDUCED[kind])
    prior = pretrained.prior(f"adm:{file(state)}?head_channels=32")
    assert isinstance(prior, DDPM)
    assert isinstance(prior.network, ADM)
    assert prior.network.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in prior.network.state_dict().items())
    assert (prior.prediction, prior.clip, len(prior.alphas_cumprod)) == ("epsilon", 1.0, 1000)
    learned = state["out.2.weight"].shape[0] == 2 * prior.channels
    assert prior.variance == ("learned" if learned else "fixed-small")
    check_prior(prior, sizes=((33, 20),))


def test_d_is_that_of_the_linear_chain(file: Callable[..., Path]) -> None:
    prior = pretrained.prior(f"adm:{file(filled(REDUCED['tiny']))}?head_channels=32").double()
    assert isinstance(prior, DDPM)
    abar = (1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0)[500]
    noisy = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        answer = prior.network(noisy, torch.tensor([500.0]).double())[:, :3]
        found = prior(noisy / abar.sqrt(), ((1 - abar) / abar).sqrt())
    torch.testing.assert_close(found, ((noisy - (1 - abar).sqrt() * answer) / abar.sqrt()).clamp(-1, 1), rtol=1e-9, atol=1e-9)
    assert 0.01 < (found.abs() < 1).double().mean() < 0.99  # Both what is held and what is not was seen.


def test_heads_and_table_can_be_said(file: Callable[..., Path]) -> None:
    path = file(filled(REDUCED["tiny"]))
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    answers = {}
    for words in ("head_channels=32", "head_channels=16", "heads=8&schedule=cosine", "heads=8"):
        answers[words] = pretrained.prior(f"adm:{path}?{words}")(x, 2.0)
    assert len({float(answer.double().sum()) for answer in answers.values()}) == 4
    prior = pretrained.prior(f"adm:{path}?heads=4")
    assert isinstance(prior, DDPM)
    assert {part.heads for part in prior.network.modules() if hasattr(part, "heads")} == {4}


def test_half_precision_and_the_names_of_a_parallel_run(file: Callable[..., Path]) -> None:
    state = filled(REDUCED["ffhq"])
    path = file({f"module.{name}": value.half() for name, value in state.items()})
    found = pretrained.prior(f"adm:{path}?head_channels=32").state_dict()
    assert all(torch.equal(found[f"network.{name}"], value.half().float()) for name, value in state.items())


# Refusals


class Harmful:
    """What a pickle can do: make a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def without(*names: str) -> dict[str, Tensor]:
    return {key: value for key, value in filled(REDUCED["ffhq"]).items() if not key.startswith(names)}


OTHERS: list[tuple[str, Any, str]] = [
    ("lucidrains", {"step": 3, "model": {"model.init_conv.weight": torch.ones(1)}, "ema": {}}, "denoising-diffusion-pytorch"),
    ("its state", {"model.init_conv.weight": torch.ones(1)}, "a checkpoint of denoising-diffusion-pytorch (lucidrains), whose"),
    ("k-diffusion", {"model": {"inner_model.proj_in.weight": torch.ones(1)}, "epoch": 1}, "a checkpoint of k-diffusion, whose"),
    ("up-sampler", filled(shapes(32, (1, 1), 1, (), channels=6)), "has 6 input and 6 output channels"),
    ("classifier", without("output_blocks", "out."), "found a classifier or encoder (no output_blocks)"),
    ("diffusers", {"conv_in.weight": torch.ones(1), "down_blocks.0.x": torch.ones(1)}, "give its folder as diffusers:FOLDER"),
    ("score-sde", {"model": {}, "ema": {}, "optimizer": {}, "step": 3}, "see score-sde:FILE"),
    ("latent", {"model.diffusion_model.input_blocks.0.0.weight": torch.ones(1)}, "works on latents"),
    ("wrapped", {"state_dict": filled(REDUCED["ffhq"]), "epoch": 3}, "save that alone"),
    ("another", {"weight": torch.ones(1), "bias": torch.ones(1)}, "found 2 tensors, bias, weight"),
    ("a list", [1, 2], "found a list"),
    ("a tensor", torch.ones(3), "found a Tensor"),
    ("nothing", {}, "found a dict of"),
    ("a weight less", without("middle_block.1.norm.weight"), "1 are missing (middle_block.1.norm.weight first)"),
    ("no times", without("time_embed"), "no time_embed.0.weight"),
    ("a weight more", {**filled(REDUCED["ffhq"]), "more": torch.ones(1)}, "1 are unexpected (more first)"),
    (
        "another shape",
        {**filled(REDUCED["ffhq"]), "middle_block.0.in_layers.0.weight": torch.ones(64)},
        "1 have another shape (middle_block.0.in_layers.0.weight first: expected (128,), found (64,))",
    ),
    ("no dimensions", {**filled(REDUCED["ffhq"]), "time_embed.0.weight": torch.ones(())}, "has 0 dimensions, expected 2"),
    (
        "a far stage",
        {**filled(REDUCED["ffhq"]), "output_blocks.999999999.0": torch.ones(1)},
        "decoder stages",
    ),
    ("NaN", {**filled(REDUCED["ffhq"]), "out.0.bias": torch.full((32,), float("nan"))}, "weights that are not finite"),
    ("huge", {**filled(REDUCED["ffhq"]), "out.0.bias": torch.full((32,), 6e4)}, "weights as large as 60000"),
    ("whole numbers", {**filled(REDUCED["ffhq"]), "out.0.bias": torch.ones(32, dtype=torch.int32)}, "has dtype int32"),
    ("repeated", {**filled(REDUCED["ffhq"]), "out.0.bias": torch.ones(1).expand(32)}, "repeats its values"),
    ("without values", {**filled(REDUCED["ffhq"]), "out.0.bias": torch.ones(32, device="meta")}, "without values"),
    ("sparse", {**filled(REDUCED["ffhq"]), "out.0.bias": torch.ones(32).to_sparse()}, ""),
    ("odd widths", filled(shapes(24, (1, 1), 1, ())), "multiples of 32, got (24, 24)"),
]


@pytest.mark.parametrize(("content", "said"), [pytest.param(content, said, id=name) for name, content, said in OTHERS])
def test_other_files_are_told_apart(file: Callable[..., Path], content: Any, said: str) -> None:
    refused(f"{file(content)}?head_channels=32", said)


def test_heads_that_do_not_fit_are_said(file: Callable[..., Path]) -> None:
    refused(str(file(filled(REDUCED["gray"]))) + "?head_channels=48", "heads of 48 channels do not divide")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is broken, cut short"),
        (b"not a checkpoint at all", "is broken, cut short"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "is a pointer of git-lfs"),
    ],
)
def test_what_is_no_checkpoint_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "file.pt").write_bytes(content)
    refused(str(tmp_path / "file.pt"), said)


def test_a_truncated_file_is_said(file: Callable[..., Path]) -> None:
    path = file(filled(REDUCED["ffhq"]))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(str(path), "is broken, cut short")


def test_a_compressed_file_is_not_unpacked(file: Callable[..., Path], tmp_path: Path) -> None:
    whole = file(filled(REDUCED["ffhq"]))
    with zipfile.ZipFile(whole) as parts, zipfile.ZipFile(tmp_path / "small.pt", "w", zipfile.ZIP_DEFLATED) as small:
        for part in parts.infolist():
            small.writestr(part.filename, parts.read(part))
    refused(str(tmp_path / "small.pt"), "is compressed")


@pytest.mark.parametrize("old", [False, True])
def test_code_in_a_file_is_not_run(tmp_path: Path, old: bool) -> None:
    path, harm = tmp_path / "file.pt", tmp_path / "harm"
    torch.save({"model": Harmful(harm)}, path, _use_new_zipfile_serialization=not old)
    refused(str(path), "could run foreign code")
    path.write_bytes(pickle.dumps(Harmful(harm)))
    refused(str(path), "")
    assert not harm.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("head_chanels=32", "did you mean 'head_channels'"),
        ("heads=0", "positive integer, got '0'"),
        ("schedule=loud", "got 'loud'"),
    ],
)
def test_misspelt_options_are_usage_errors(file: Callable[..., Path], words: str, said: str) -> None:
    refused(f"{file({})}?{words}", said, UsageError)


def test_the_command_says_so_and_ends_with_3(restore: Command, place: Path) -> None:
    torch.save({"weight": torch.ones(1)}, place / "file.pt")
    for name, said in (
        ("adm:file.pt", "found 1 tensors, weight"),
        ("adm:absent.pt", "no such file"),
        ("file.pt", "adm:file.pt"),
    ):
        ran = restore("denoise", "img.png", "--sigma", "5", "--prior", name)
        assert (ran.code, ran.out) == (3, "")
        (line,) = ran.err.splitlines()
        assert line.startswith("error: ")
        assert said in line


def refused(name: str, said: str, kind: type[RestoreError] = PriorError) -> None:
    with pytest.raises(kind) as caught:
        pretrained.prior(f"adm:{name}")
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 500


def test_networks_of_nvlabs_are_told_apart_and_not_unpickled(tmp_path: Path) -> None:
    """Their pickles name a function of their own program, which rebuilds a network from source code in the file."""
    file = tmp_path / "edm.pkl"
    name = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n"
    file.write_bytes(b"\x80\x04}(\x8c\x03ema" + name + b"(dtRu.")
    refused(f"adm:{file}".removeprefix("adm:"), "is a network of an NVlabs program (EDM or StyleGAN), saved with code")


@pytest.mark.parametrize("scheme", ["", "adm:"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("edm.pkl", "is a network of an NVlabs program (EDM or StyleGAN), saved with code"),
        (
            "lucidrains.pt",
            "is a checkpoint of denoising-diffusion-pytorch (lucidrains), whose network this toolkit does not have",
        ),
        ("k-diffusion.pth", "is a checkpoint of k-diffusion, whose network this toolkit does not have"),
    ],
)
def test_files_of_other_programs_are_advised_in_one_line(
    restore: Command, place: Path, scheme: str, kind: str, said: str
) -> None:
    name, ones = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n", torch.ones(1)
    if kind == "edm.pkl":
        Path(kind).write_bytes(b"\x80\x04}(\x8c\x03ema" + name + b"(dtRu.")
    elif kind == "lucidrains.pt":
        parts = {"model.init_conv.weight": ones, "betas": ones}
        ema = {"ema_model.model.init_conv.weight": ones, "step": ones}
        torch.save({"step": 3, "model": parts, "opt": {"state": {}, "param_groups": []}, "ema": ema, "version": "2.2"}, kind)
    else:
        parts = {"inner_model.proj_in.weight": ones}
        torch.save({"config": {"model": {}}, "model": parts, "model_ema": parts, "epoch": 3, "step": 9}, kind)
    code, out, err = restore("denoise", "img.png", "--sigma", "20", "--prior", f"{scheme}{kind}", "-o", "out.png", "-q")
    (line,) = err.splitlines()
    assert (code, out) == (3, "")
    assert said in line
    assert not Path("out.png").exists()


def test_a_class_is_told_in_the_name_or_later(file: Callable[..., Path]) -> None:
    weights = filled(shapes(32, (1, 1), 1, (), classes=10))
    path = f"adm:{file(weights)}?head_channels=32"
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    three = pretrained.prior(f"{path}&label=3")(x, 1.0)
    assert torch.equal(pretrained.prior(path).given(Conditions(label="3"))(x, 1.0), three)
    # The class is added to the embedding of time: with its row at 0 the network is the unconditional one.
    plain = {key: value for key, value in weights.items() if key != "label_emb.weight"}
    zero = {**plain, "label_emb.weight": torch.zeros(10, 128)}
    wanted = pretrained.prior(f"adm:{file(plain)}?head_channels=32")(x, 1.0)
    torch.testing.assert_close(pretrained.prior(f"adm:{file(zero)}?head_channels=32&label=3")(x, 1.0), wanted)
    assert not torch.equal(three, wanted)


@pytest.mark.parametrize(
    ("classes", "label", "said"),
    [
        (10, "", "must be told one: label, 0 to 9"),
        (10, "10", "classes 0 to 9"),
        (0, "3", "is unconditional and has no labels"),
    ],
)
def test_a_wrong_class_is_one_line(file: Callable[..., Path], classes: int, label: str, said: str) -> None:
    name = f"adm:{file(filled(shapes(32, (1, 1), 1, (), classes=classes)))}?head_channels=32&label={label}"
    with pytest.raises(UsageError, match=said):
        pretrained.prior(name)(torch.zeros(1, 3, 16, 16), 1.0)


def test_class_conditional_networks_are_not_converted(file: Callable[..., Path]) -> None:
    with pytest.raises(PriorError, match="is class-conditional: it loads as it is, and is not converted"):
        pretrained.checkpoint(f"adm:{file(filled(shapes(32, (1, 1), 1, (), classes=10)))}?head_channels=32")


def test_both_orders_of_attention_are_those_of_guided_diffusion() -> None:
    """Heads by hand from the convolution's channels: all queries first (new), or head after head (legacy)."""
    heads, each, pixels = 2, 16, 5
    weights, x = torch.randn(3 * heads * each, 32, 1, dtype=torch.float64), torch.randn(1, 32, pixels, dtype=torch.float64)
    mixed = torch.nn.functional.conv1d(x, weights)
    wanted = mixed.reshape(3, heads, each, pixels)
    found = adm._legacy("middle_block.1.qkv.weight", weights, each, None, "file")
    legacy = torch.nn.functional.conv1d(x, found).reshape(heads, 3, each, pixels)
    torch.testing.assert_close(legacy.transpose(0, 1), wanted)
    assert adm._legacy("out.2.weight", weights, each, None, "file") is weights


def test_the_new_order_gives_other_outputs_and_what_is_assumed_is_said(
    file: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = file(filled(shapes(32, (1, 2), 1, (2,))))
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with caplog.at_level("INFO", logger="restore"):
        legacy = pretrained.prior(f"adm:{path}?head_channels=32")(x, 1.0)
    assert "heads of 32 channels in the legacy order are assumed; where they are others, outputs are wrong" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO", logger="restore"):
        new = pretrained.prior(f"adm:{path}?head_channels=32&attention=new")(x, 1.0)
    assert "assumed" not in caplog.text
    assert float((new - legacy).abs().max()) > 1e-4
    one = [pretrained.prior(f"adm:{path}?heads=1&attention={order}")(x, 1.0) for order in ("new", "legacy")]
    assert torch.equal(*one)
    with pytest.raises(UsageError, match="adm: attention must be legacy or new, got 'old'"):
        pretrained.prior(f"adm:{path}?attention=old")
