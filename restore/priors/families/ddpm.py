"""DDPM: a network trained on a discrete variance-preserving chain (Ho et al. 2020, 2006.11239)."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from restore.errors import PriorError
from restore.priors.families.networked import NetworkPrior, NetworkSettings
from restore.priors.prior import pad_to_multiple

Prediction = Literal["epsilon", "v_prediction", "sample"]
Variance = Literal["fixed-small", "fixed-large", "learned"]


class Reverse(NamedTuple):
    """The model's p(x_{t-1} | x_t), and the D from which it follows; all (B, C, H, W).

    Attributes:
        x0: D = E[x0 | x_t].
        mean: of x_{t-1}, in the chain's coordinates.
        log_variance: natural logarithm of the variance of x_{t-1}.
    """

    x0: Tensor
    mean: Tensor
    log_variance: Tensor


class DDPM(NetworkPrior):
    """x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps, so x = x_t / sqrt(abar_t) and sigma_t = sqrt((1 - abar_t) / abar_t).

    D by prediction type: epsilon, D = x - sigma eps (eq. 15); v (Salimans & Ho 2022, 2202.00512, appendix D),
    D = (x / sqrt(1 + sigma^2) - sigma v) / sqrt(1 + sigma^2); sample, D is the network's output.

    Args:
        network: called with x_t (B, C, H, W) and t (B,). It returns (B, C, H, W), or (B, 2C, H, W) where the variance is
            learned too (Nichol & Dhariwal 2021, 2102.09672); D does not need the second half.
        alphas_cumprod: (T,), abar_t, falling.
        prediction: what the network was trained to predict.
        variance: of the chain's reverse steps; see `reverse_step`.
        clip: D is clamped to [-clip, clip], as the published samplers of some networks do; None for no clamping. A mean of
            clean pictures lies in their range, so values beyond it are errors of the network.
        Others: see `NetworkPrior`. sigma_min and sigma_max are the table's ends.

    Raises: PriorError for an unknown prediction or variance.

    Attributes:
        alphas_cumprod: (T,), float64 on the CPU.
        table: (T,), sigma_t, rising, float64 on the CPU.
    """

    def __init__(
        self,
        network: nn.Module,
        alphas_cumprod: Tensor,
        *,
        prediction: Prediction = "epsilon",
        variance: Variance = "fixed-small",
        clip: float | None = None,
        **others: Unpack[NetworkSettings],
    ) -> None:
        if prediction not in get_args(Prediction):
            raise PriorError(f"unknown prediction type {prediction!r}; known: {', '.join(get_args(Prediction))}")
        if variance not in get_args(Variance):
            raise PriorError(f"unknown variance {variance!r}; known: {', '.join(get_args(Variance))}")
        abar = alphas_cumprod.detach().double().cpu()
        table = ((1 - abar) / abar).sqrt()
        super().__init__(network, sigma_min=float(table[0]), sigma_max=float(table[-1]), **others)
        self.prediction, self.variance, self.clip = prediction, variance, clip
        self.amplifies_rounding = prediction == "epsilon"
        self.alphas_cumprod, self.table = abar, table
        self.levels = table.flip(0)

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self._both(x, sigma)[0]

    def reverse_step(self, x_t: Tensor, t: Tensor) -> Reverse:
        """The model's p(x_{t-1} | x_t), for the variational bound and for ancestral sampling in the chain's coordinates.

        The mean is that of q(x_{t-1} | x_t, x0 = D) (eq. 7). The variance is, by `variance`,
        - "fixed-small": beta-tilde_t (eq. 7);
        - "fixed-large": beta_t (section 3.2);
        - "learned": between the two, log beta-tilde + (1 + v) / 2 (log beta - log beta-tilde), with v the network's second
          half (Nichol & Dhariwal 2021, eq. 15).
        beta-tilde_0 = 0 is replaced by beta-tilde_1.

        Args:
            x_t: (B, C, H, W) in the chain's coordinates, any H and W.
            t: (B,) whole steps in [0, T).

        Raises: PriorError if the variance is learned and the network returns no second half.
        """
        t = t.to(self.alphas_cumprod.device)
        abar, before = self.alphas_cumprod[t], torch.where(t > 0, self.alphas_cumprod[(t - 1).clamp(min=0)], 1.0)
        height, width = x_t.shape[-2:]
        x = pad_to_multiple(x_t / _column(abar.sqrt(), x_t), self.multiple_of)
        padded, spread = self._both(x, self.table[t].to(x))
        x0 = padded[..., :height, :width]
        beta = 1 - abar / before
        mean = _column(before.sqrt() * beta / (1 - abar), x_t) * x0
        mean = mean + _column((1 - beta).sqrt() * (1 - before) / (1 - abar), x_t) * x_t
        small, large = (_column(part[t].log(), x_t).expand_as(x_t) for part in self._variances())
        if self.variance == "learned":
            if spread is None:
                raise PriorError(f"a learned variance needs a network with {2 * self.channels} output channels")
            share = (1 + spread[..., :height, :width]) / 2
            return Reverse(x0, mean, small + share * (large - small))
        return Reverse(x0, mean, small if self.variance == "fixed-small" else large)

    def _variances(self) -> tuple[Tensor, Tensor]:
        """beta-tilde and beta, (T,)."""
        abar = self.alphas_cumprod
        before = torch.cat([torch.ones(1).double(), abar[:-1]])
        beta = 1 - abar / before
        small = beta * (1 - before) / (1 - abar)
        return torch.cat([small[1:2], small[1:]]), beta

    def _both(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor | None]:
        """D and the network's second half, if it has one."""
        time = self._time(sigma)
        sigma = sigma[:, None, None, None]
        norm = (1 + sigma**2).sqrt()
        both = self.ask(x / norm, time)
        answer, rest = both[:, : self.channels], both[:, self.channels :]
        x0 = answer
        if self.prediction == "epsilon":
            x0 = x - sigma * answer
        elif self.prediction == "v_prediction":
            x0 = (x / norm - sigma * answer) / norm
        if self.clip is not None:
            x0 = x0.clamp(-self.clip, self.clip)
        return x0, rest if rest.shape[1] else None

    def _time(self, sigma: Tensor) -> Tensor:
        """t with sigma_t = sigma: exact at trained levels, linear in log sigma between them, clamped to the ends."""
        table, wanted = self.table.log(), sigma.detach().to(self.table).log()
        high = torch.searchsorted(table, wanted).clamp(1, len(table) - 1)
        share = ((wanted - table[high - 1]) / (table[high] - table[high - 1])).clamp(0, 1)
        time = high - 1 + share
        near = time.round()
        # Callers pass sigma in float32: a value that equals a trained level up to rounding is that level.
        return torch.where((time - near).abs() < 1e-3, near, time).to(sigma)


def _column(values: Tensor, like: Tensor) -> Tensor:
    """(B,) as (B, 1, 1, 1), placed and typed as `like`."""
    return values.to(like)[:, None, None, None]
