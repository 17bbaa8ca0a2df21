"""What the bundled prior does where a wrong answer would show: gray pictures, flat areas, the grid of its network, borders.

    python -m benchmarks photo-prior-artefacts --data samples/photos [--prior photo]

Everything is one evaluation of D in float32, noise of sigma in grey levels (0 to 255). Noise is seeded.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

import torch
from torch import Tensor

from benchmarks.harness import arguments, markdown
from benchmarks.metrics import psnr
from benchmarks.pictures import paths, read, tensor
from restore import pretrained
from restore.priors import Prior

SIGMAS = (15, 25, 50)
OUTER = 16  # Pixels along each side.


@torch.no_grad()
def asked(prior: Prior, clean: Tensor, sigma: float, draws: int = 1, seed: int = 0, gray: bool = False) -> Tensor:
    """D of a picture (1, 3, H, W) with noise of `sigma` grey levels; (draws, 3, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    shape = (1, *clean.shape[1:]) if not gray else (1, 1, *clean.shape[2:])
    noises = [torch.randn(shape, generator=generator) for _ in range(draws)]
    return torch.cat([prior(clean + sigma / 127.5 * noise, sigma / 127.5) for noise in noises])


def tint(prior: Prior, clean: Tensor, sigma: float, *, gray: bool) -> tuple[float, float]:
    """Colour in the answer for a gray picture, in grey levels: RMS distance of the channels to their mean, and largest cast.

    gray: the noise is gray, too, as in a gray picture shown in three channels.
    """
    neutral = clean.mean(dim=1, keepdim=True).expand_as(clean)
    answer = asked(prior, neutral, sigma, gray=gray) * 127.5
    chroma = answer - answer.mean(dim=1, keepdim=True)
    return float(chroma.square().mean().sqrt()), float(chroma.mean(dim=(2, 3)).abs().max())


def smooth(side: int = 128) -> dict[str, Tensor]:
    """Pictures without detail: two flat colours, a ramp of about one grey level a pixel, waves of some dozen pixels."""
    down, right = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
    waves = [(7 * right).sin(), (8 * down).cos(), (5 * (right + down)).sin()]
    return {
        "flat": torch.tensor([0.1, -0.3, 0.4])[None, :, None, None].expand(1, 3, side, side),
        "dark": torch.full((1, 3, side, side), -0.8),
        "ramp": 0.6 * torch.stack([right, down, (right - down) / 2])[None],
        "wave": 0.5 * torch.stack(waves)[None],
    }


def unevenness(prior: Prior, clean: Tensor, sigma: float, draws: int = 4) -> tuple[float, float]:
    """RMS error of a smooth picture, and the largest error of a channel's mean, in grey levels."""
    error = (asked(prior, clean, sigma, draws) - clean) * 127.5
    return float(error.square().mean().sqrt()), float(error.mean(dim=(0, 2, 3)).abs().max())


def checkerboard(error: Tensor) -> tuple[float, float]:
    """The grid of a network that works on 2 x 2 blocks, in the error (N, C, H, W) of a smooth picture.

    Returns: the largest distance of the mean error at one place of the blocks to that at all four (a pattern of period 2 that
        stays when noise is averaged out, in the error's unit); and how many times as much energy the error has within 1/32
        cycle of the period-2 frequencies (1/2, 0), (0, 1/2), (1/2, 1/2) as at all others, each frequency counted alike: 1 for
        white errors, less for smooth ones.
    """
    height, width = error.shape[-2:]
    places = error.mean(dim=0).reshape(-1, height // 2, 2, width // 2, 2).mean(dim=(1, 3))
    pattern = (places - places.mean(dim=(1, 2), keepdim=True)).abs().max()
    energy = torch.fft.fft2(error).abs().square().mean(dim=(0, 1))
    down, right = torch.fft.fftfreq(height).abs()[:, None], torch.fft.fftfreq(width).abs()[None]
    corners = [(down - v) ** 2 + (right - u) ** 2 for v, u in ((0.5, 0), (0, 0.5), (0.5, 0.5))]
    near = torch.stack(corners).amin(dim=0).sqrt() < 1 / 32
    return float(pattern), float(energy[near].mean() / energy[~near].mean())


def border(prior: Prior, photographs: list[Tensor], sigma: float, side: int = 96, apart: int = 48) -> float:
    """Error in the outer pixels of crops over the error at the same pixels, with the same noise, well inside the picture.

    So content, which differs from place to place, does not count. RMS over all crops that lie `apart` pixels inside.
    """
    outer = torch.ones(side, side, dtype=torch.bool)
    outer[OUTER:-OUTER, OUTER:-OUTER] = False
    at_border, inside = [], []
    for clean in photographs:
        noisy = with_noise(clean, sigma)
        with torch.no_grad():
            whole = prior(noisy, sigma / 127.5)
            for top in range(apart, clean.shape[2] - apart - side + 1, side):
                for left in range(apart, clean.shape[3] - apart - side + 1, side):
                    part = (..., slice(top, top + side), slice(left, left + side))
                    answer = prior(noisy[part].contiguous(), sigma / 127.5)
                    at_border.append((answer - clean[part]).square()[..., outer].mean())
                    inside.append((whole[part] - clean[part]).square()[..., outer].mean())
    return float((torch.stack(at_border).mean() / torch.stack(inside).mean()).sqrt())


def with_noise(clean: Tensor, sigma: float) -> Tensor:
    return clean + sigma / 127.5 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def mistold(prior: Prior, photographs: list[Tensor], sigma: float) -> float:
    """What a sigma told 20 % wrong, low or high, costs at most, in dB; the mean over pictures."""
    low, right, high = (
        fmean(psnr(prior(with_noise(clean, sigma), told * sigma / 127.5).clamp(-1, 1), clean, peak=2) for clean in photographs)
        for told in (0.8, 1.0, 1.2)
    )
    return right - min(low, high)


def rows(prior: Prior, photographs: list[Tensor]) -> Iterator[tuple[str, list[str]]]:
    for gray, name in ((True, "gray noise"), (False, "colour noise")):
        found = [tint(prior, photographs[0], sigma, gray=gray) for sigma in SIGMAS]
        yield f"tint of a gray picture, {name}: RMS / cast, grey levels", [f"{rms:.2f} / {cast:.2f}" for rms, cast in found]
    for name, clean in smooth().items():
        found = [unevenness(prior, clean, sigma) for sigma in SIGMAS]
        yield f"{name}: RMS error / error of the mean, grey levels", [f"{rms:.2f} / {mean:.2f}" for rms, mean in found]
    for name, clean in smooth().items():
        errors = [(asked(prior, clean, sigma, 4) - clean) * 127.5 for sigma in SIGMAS]
        cells = [f"{pattern:.2f} / {times:.2f}" for pattern, times in map(checkerboard, errors)]
        yield f"{name}: pattern of period 2, grey levels / energy there to elsewhere", cells
    yield "outer 16 pixels: error to that inside", [f"{border(prior, photographs, sigma):.3f}" for sigma in SIGMAS]
    yield "sigma told 20 % wrong: cost in dB", [f"{mistold(prior, photographs, sigma):.2f}" for sigma in SIGMAS]


def main() -> None:
    given = arguments(__doc__, "data!", "prior").parse_args()
    prior = pretrained.prior(given.prior).float()
    photographs = [tensor(read(path)) for path in paths(given.data)]
    print(markdown(("sigma", *map(str, SIGMAS)), [[name, *cells] for name, cells in rows(prior, photographs)]))
