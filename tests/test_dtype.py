"""The dtype of networks: what the hardware multiplies, what is asked for, and what a prior can bear."""

from __future__ import annotations

import pytest
import torch
from photographs import crop, noisy
from torch import nn

from restore import Restorer
from restore.device import dtype
from restore.device.placement import Placement
from restore.errors import UsageError
from restore.networks.diffusers import DiffusersUNet
from restore.networks.noise_conditioning import ScoreNetwork
from restore.networks.residual_unet import ResidualUNet
from restore.priors import DDPM, EDM, NCSN, VE, VP, Flow, GrayView, SubVP
from restore.priors.families.tables import alphas_cumprod
from restore.sampling.schedules import geometric

CPU = torch.device("cpu")
ASK = {"AVX512-BF16": "_is_avx512_bf16_supported", "AMX": "_is_amx_tile_supported"}


@pytest.fixture(autouse=True)
def anew(monkeypatch):
    monkeypatch.delenv(dtype.VARIABLE, raising=False)
    dtype.bfloat16_unit.cache_clear()
    yield
    dtype.bfloat16_unit.cache_clear()


@pytest.fixture
def hardware(monkeypatch):
    """Lets the CPU have just the instruction sets named."""

    def has(*names):
        for name, ask in ASK.items():
            monkeypatch.setattr(f"torch.cpu.{ask}", lambda name=name: name in names, raising=False)
        dtype.bfloat16_unit.cache_clear()

    return has


# The hardware


@pytest.mark.parametrize(
    ("sets", "wanted", "why"),
    [
        ((), torch.float32, "no bfloat16 in hardware"),
        (("AVX512-BF16",), torch.bfloat16, "AVX512-BF16"),
        (("AMX",), torch.bfloat16, "AMX"),
        (("AMX", "AVX512-BF16"), torch.bfloat16, "AVX512-BF16 and AMX"),
    ],
)
def test_a_cpu_takes_bfloat16_where_it_multiplies_it(hardware, sets, wanted, why):
    hardware(*sets)
    assert dtype.of_hardware(CPU) is wanted
    assert dtype.multiplies_bfloat16(CPU) == (wanted is torch.bfloat16)
    assert Placement.current("cpu").describe(wanted).endswith(f"threads, {str(wanted)[6:]} ({why})")


def test_where_torch_cannot_say_linux_does(monkeypatch, tmp_path):
    for ask in ASK.values():
        monkeypatch.delattr(f"torch.cpu.{ask}", raising=False)
    for flags, wanted in (("fpu sse2 avx512f", ""), ("fpu amx_bf16 amx_tile avx512_bf16", "AVX512-BF16 and AMX")):
        file = tmp_path / "cpuinfo"
        file.write_text(f"processor\t: 0\nmodel name\t: avx512_bf16\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
        monkeypatch.setattr(dtype, "_cpu_flags", lambda file=file, read=dtype._cpu_flags: read(file))
        dtype.bfloat16_unit.cache_clear()
        assert dtype.bfloat16_unit(CPU) == wanted
        monkeypatch.undo()
        for ask in ASK.values():
            monkeypatch.delattr(f"torch.cpu.{ask}", raising=False)
    assert dtype._cpu_flags(tmp_path / "none") == set()


@pytest.mark.parametrize(
    ("capability", "wanted"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)]
)
def test_a_gpu_takes_bfloat16_where_it_is_not_emulated(monkeypatch, capability, wanted):
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: capability)
    assert dtype.of_hardware(torch.device("cuda")) is wanted


def test_an_unknown_device_takes_float32():
    assert dtype.of_hardware(torch.device("mps")) is torch.float32


# What is asked for


def test_what_is_asked_for_is_not_questioned(hardware):
    hardware()
    asked = Placement.current("cpu", "bfloat16")
    assert asked.dtype is torch.bfloat16
    assert asked.describe(torch.bfloat16).endswith("bfloat16 (as asked for)")
    assert Placement.current("cpu").dtype is None


def test_the_environment_is_the_default_of_what_is_asked_for(monkeypatch):
    monkeypatch.setenv(dtype.VARIABLE, "bfloat16")
    found = Placement.current("cpu")
    assert found.dtype is torch.bfloat16
    assert found.describe(torch.bfloat16).endswith("bfloat16 (as RESTORE_DTYPE says)")
    assert Placement.current("cpu", "float32").dtype is torch.float32
    assert Placement.current("cpu", "auto").dtype is None
    monkeypatch.setenv(dtype.VARIABLE, "auto")
    assert Placement.current("cpu").dtype is None
    monkeypatch.setenv(dtype.VARIABLE, "")
    assert Placement.current("cpu").dtype is None


def test_a_wrong_word_in_the_environment_is_a_usage_error(monkeypatch):
    monkeypatch.setenv(dtype.VARIABLE, "half")
    with pytest.raises(UsageError, match=r"^environment variable RESTORE_DTYPE: unknown dtype 'half'; known: auto, float32, "):
        Placement.current("cpu")
    assert Placement.current("cpu", "float32").dtype is torch.float32


# What a prior can bear


UNET = {
    "sample_size": 32,
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "norm_num_groups": 8,
    "attention_head_dim": 8,
}
ABAR = alphas_cumprod("linear")


class Scaled(nn.Module):
    """A network whose answers are made larger; it keeps the largest and its number of layers."""

    def __init__(self, network, gain):
        super().__init__()
        self.network, self.gain, self.largest = network, gain, 0.0
        self.layers = sum(isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) for part in network.modules())

    def forward(self, x, level):
        answer = self.gain * self.network(x, level)
        self.largest = float(answer.abs().max())
        return answer


def unet():
    torch.manual_seed(0)
    return Scaled(DiffusersUNet(UNET), 3.0).eval().requires_grad_(False)


def residual():
    torch.manual_seed(0)
    network = ResidualUNet(widths=(16, 32), blocks=1)
    nn.init.normal_(network.tail.weight, std=0.1)
    for name, weights in network.named_parameters():
        if "gain" in name:
            nn.init.normal_(weights, std=0.1)
    return Scaled(network, 1.0).eval().requires_grad_(False)


# By name: a prior of random weights, of a dtype and a network, and the factor with which the network's answer enters D.
FAMILIES = {
    "epsilon": (lambda of: DDPM(unet(), ABAR, multiple_of=2, dtype=of), lambda sigma: sigma),
    "v": (
        lambda of: DDPM(unet(), ABAR, prediction="v_prediction", multiple_of=2, dtype=of),
        lambda sigma: sigma / (1 + sigma**2) ** 0.5,
    ),
    "sample": (lambda of: DDPM(unet(), ABAR, prediction="sample", multiple_of=2, dtype=of), lambda sigma: 1),
    "edm": (lambda of: EDM(residual(), multiple_of=4, dtype=of), lambda sigma: 0.5 * sigma / (0.25 + sigma**2) ** 0.5),
    "flow": (lambda of: Flow(unet(), multiple_of=2, dtype=of), lambda sigma: sigma / (1 + sigma)),
    "vp": (lambda of: VP(unet(), multiple_of=2, dtype=of), lambda sigma: sigma),
    "subvp": (lambda of: SubVP(unet(), multiple_of=2, dtype=of), lambda sigma: sigma),
    "ve": (lambda of: VE(ScoreNetwork(residual()), multiple_of=4, dtype=of), lambda sigma: sigma),
    "ncsn": (lambda of: NCSN(ScoreNetwork(residual()), multiple_of=4, dtype=of), lambda sigma: sigma),
}
BOUNDED = ("v", "sample", "edm", "flow")


def errors(name, asked):
    """Over the family's levels: sigma, the largest error in D against float32, and what rounding allows.

    A layer rounds its input and its output to 8 bits, a relative error of at most 2^-8 together. The independent errors of n
    layers add up to sqrt(n) 2^-8 of the network's answer, and D has that times the family's factor.
    """
    make, factor = FAMILIES[name]
    exact, found = make(torch.float32), make(asked)
    network = next(part for part in exact.modules() if isinstance(part, Scaled))
    clean = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    noise = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    for sigma in geometric(exact.sigma_max, exact.sigma_min, 8)[:-1].tolist():
        x = clean + sigma * noise
        error = float((found(x, sigma) - exact(x, sigma)).abs().max())
        yield sigma, error, factor(sigma) * network.layers**0.5 * 2**-8 * network.largest


@pytest.mark.parametrize("name", FAMILIES)
def test_left_to_itself_a_prior_loses_no_more_than_rounding_costs_at_any_level(hardware, name):
    hardware("AMX")
    prior = FAMILIES[name][0](None)
    chosen = torch.bfloat16 if name in BOUNDED else torch.float32
    assert prior.effective_dtype(CPU) is GrayView(prior).effective_dtype(CPU) is chosen
    for _, error, allowed in errors(name, None):
        assert error <= (allowed if name in BOUNDED else 0)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name not in BOUNDED])
def test_a_predicted_noise_or_score_in_bfloat16_is_wrong_by_more_than_half_a_picture_at_high_levels(name):
    found = list(errors(name, torch.bfloat16))
    assert found[0][1] > 1  # Of a range of 2.
    assert all(error <= allowed for _, error, allowed in found)
    assert FAMILIES[name][0](torch.bfloat16).effective_dtype(CPU) is torch.bfloat16  # What is asked for is obeyed.


def test_without_bfloat16_in_hardware_every_family_stays_in_float32(hardware):
    hardware()
    for make, _ in FAMILIES.values():
        assert make(None).effective_dtype(CPU) is torch.float32
        assert make(torch.bfloat16).effective_dtype(CPU) is torch.bfloat16


def test_what_stands_around_the_network_keeps_the_dtype_of_the_picture():
    for name in ("v", "edm", "flow"):  # "sample" has the network's own answer.
        prior = FAMILIES[name][0](torch.bfloat16)
        found = prior(torch.rand(1, 3, 32, 32), 0.5)
        assert found.dtype is torch.float32
        assert not torch.equal(found, found.bfloat16().float())


# The bundled prior in bfloat16, which every CPU can compute, some slowly


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_bfloat16_does_not_shift_the_mean_colour(name):
    given = noisy(64 + crop(name, 128, 128, 96).astype(float) / 2, 50)
    exact, found = (
        Restorer.from_pretrained("photo", device="cpu", dtype=word)("denoise", given, sigma=50).image.astype(float)
        for word in ("float32", "bfloat16")
    )
    # Rounding to 8 bits leaves a mean over 96 x 96 pixels within 0.01.
    assert abs(found.mean(axis=(0, 1)) - exact.mean(axis=(0, 1))).max() < 0.05
    assert ((found - exact) ** 2).mean() ** 0.5 < 0.5
