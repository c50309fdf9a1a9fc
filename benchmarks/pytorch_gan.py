"""The DCGAN of `unsupervised_learning.gan` in idiomatic PyTorch.

Layers, shapes, parameter counts, losses and updates are the same. Convolutions are padded by (2, 2) here and by (1, 2) in
TensorFlow, and transposed ones are cropped accordingly: values at the border differ, the cost does not.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from benchmarks.shapes import WIDTHS, Z_DIM


class Generator(nn.Module):
    """Z [batch, 100] → images [batch, channels, side, side] in [−1, 1]."""

    def __init__(self, side: int, channels: int):
        super().__init__()
        widths = WIDTHS[side]
        self.dense = nn.Linear(Z_DIM, widths[0] * 4 * 4)
        modules = [nn.Unflatten(1, (widths[0], 4, 4))]
        for number, (width, after) in enumerate(zip(widths, (*widths[1:], channels), strict=True)):
            wider = 0 if side == 28 and number == 0 else 1  # 4 → 7, otherwise doubled
            modules += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            modules += [nn.ConvTranspose2d(width, after, 5, stride=2, padding=2, output_padding=wider)]
        self.convolutions = nn.Sequential(*modules, nn.Tanh())

    def forward(self, z):
        return self.convolutions(self.dense(z))


class Discriminator(nn.Module):
    """Images [batch, channels, side, side] → logit [batch, 1] and feature [batch, width, 4, 4]."""

    def __init__(self, side: int, channels: int):
        super().__init__()
        widths, modules = (channels, *reversed(WIDTHS[side])), []
        for number, (before, width) in enumerate(pairwise(widths)):
            modules += [nn.Conv2d(before, width, 5, stride=2, padding=2)]
            modules += [nn.BatchNorm2d(width)] if number else []
            modules += [nn.LeakyReLU(0.2, inplace=True)]
        self.convolutions, self.dense = nn.Sequential(*modules), nn.Linear(widths[-1] * 4 * 4, 1)

    def forward(self, images):
        feature = self.convolutions(images)
        return self.dense(feature.flatten(1)), feature


def start(module: nn.Module) -> None:
    """Initialize a module's weights as in 2016."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def cross_entropy(logit, label: float):
    """Return the mean over the batch, with the same label for all images."""
    return functional.binary_cross_entropy_with_logits(logit, torch.full_like(logit, label))


class DCGAN:
    """The networks, their optimizers, and the images, a uint8 tensor [n, side, side, channels].

    The variant `tuned` puts channels last and skips the redundant work that our implementation skips: one forward pass of the
    generator, one for the features of the real images, and the gradients of the discriminator's weights in the generator's
    updates. `compiled` compiles both networks with torch.compile.
    """

    def __init__(self, images, variant: str):
        side, channels = images.shape[2:]
        self.tuned, self.pixels = variant == "tuned", side**2
        layout = torch.channels_last if self.tuned else torch.contiguous_format
        self.images = images.permute(0, 3, 1, 2).contiguous(memory_format=layout)
        networks = [kind(side, channels).apply(start).to(memory_format=layout) for kind in (Generator, Discriminator)]
        self.of_generator, self.of_discriminator = (
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999), eps=1e-8) for network in networks
        )
        self.parameters = sum(weights.numel() for network in networks for weights in network.parameters())
        self.generator, self.discriminator = map(torch.compile, networks) if variant == "compiled" else networks

    def update(self, batch_size: int) -> float:
        """Run one iteration: one update of the discriminator, then two of the generator, all with the same z."""
        real = self.images[torch.randint(len(self.images), (batch_size,))].float() / 127.5 - 1
        z = torch.rand(batch_size, Z_DIM) * 2 - 1
        fake = self.generator(z)
        self.of_discriminator.zero_grad()
        loss = cross_entropy(self.discriminator(real)[0], 1.0) + cross_entropy(self.discriminator(fake.detach())[0], 0.0)
        loss.backward()
        self.of_discriminator.step()

        self.discriminator.requires_grad_(not self.tuned)
        for step in range(2):
            self.of_generator.zero_grad()
            if step or not self.tuned:
                fake = self.generator(z)
            if not step or not self.tuned:
                with torch.no_grad():
                    feature_real = self.discriminator(real)[1]
            logit, feature = self.discriminator(fake)
            matching = 0.5 * (feature_real - feature).square().sum() / self.pixels
            loss = cross_entropy(logit, 1.0) + 0.1 * matching
            loss.backward()
            self.of_generator.step()
        self.discriminator.requires_grad_(True)
        return loss.item()
