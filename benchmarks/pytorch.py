"""PyTorch: `eager`, `compiled` with torch.compile, and for the GAN `tuned`, with no more work than ours (pytorch_gan.py)."""

import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from benchmarks.pytorch_gan import DCGAN, start
from benchmarks.shapes import BATCH_SIZE, CODE, DENSE, REGULARIZATION, training_images


class Dense(nn.Module):
    """The autoencoder or the VAE. Calling it returns the loss of images [batch, 784]."""

    def __init__(self, model: str):
        super().__init__()
        self.variational, self.weight = model == "vae", REGULARIZATION[model]
        activation = {"tanh": nn.Tanh, "relu": nn.ReLU}[DENSE[model]]
        encoder = [nn.Linear(784, 50), activation(), nn.Linear(50, 50), activation(), nn.Linear(50, CODE[model])]
        self.encoder = nn.Sequential(*encoder, *([] if self.variational else [activation()]))
        self.decoder = nn.Sequential(nn.Linear(3, 50), activation(), nn.Linear(50, 50), activation(), nn.Linear(50, 784))
        self.apply(start)

    def forward(self, images):
        code = self.encoder(images)
        if self.variational:
            mu, log_var = code.chunk(2, dim=1)
            logits = self.decoder(mu + (0.5 * log_var).exp() * torch.randn_like(mu))
            entropy = functional.binary_cross_entropy_with_logits(logits, images, reduction="none").sum(dim=1)
            kl = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(dim=1)
            loss = (entropy + kl).mean()
        else:
            loss = 0.5 * (self.decoder(code) - images).square().sum() / 784
        return loss + self.weight * sum(0.5 * weights.square().sum() for weights in self.parameters())


def train(model: str, variant: str, turns, folder: Path) -> None:
    torch.manual_seed(0)
    images = torch.from_numpy(training_images(model, folder))
    if model.startswith("gan"):
        network = DCGAN(images, variant)
        turns.parameters = network.parameters
        while True:
            loss = network.update(BATCH_SIZE[model])
            assert math.isfinite(loss), f"the loss is {loss}"
            turns.done(1)
    network, images = Dense(model), images.reshape(-1, 784)
    turns.parameters = sum(weights.numel() for weights in network.parameters())
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-8)
    loss_of = torch.compile(network) if variant == "compiled" else network
    while True:
        for batch in torch.randperm(len(images)).split(BATCH_SIZE[model])[:-1]:
            optimizer.zero_grad()
            loss = loss_of(images[batch].float() / 255)
            loss.backward()
            optimizer.step()
            assert math.isfinite(loss), f"the loss is {loss}"
            turns.done(1)
