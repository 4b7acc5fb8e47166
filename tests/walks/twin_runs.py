"""Trains one small network many times in one process, each time with one thing changed.

Prints a JSON object of variant to run id. Run by `test_twins.py`, which knows what each change must
be found as.
"""

import json
import random
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import samebit

STEPS = 12


class Noisy(torch.autograd.Function):
    """The identity, whose gradient is a little wrong at one step."""

    @staticmethod
    def forward(ctx, x, wrong):
        ctx.wrong = wrong
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return (grad * (1 + 2**-10) if ctx.wrong else grad), None


class WrongOnce(torch.optim.AdamW):
    """Adds a little to one weight inside its tenth step."""

    steps = 0

    def step(self, closure=None):
        loss = super().step(closure)
        self.steps += 1
        if self.steps == 10:
            self.param_groups[0]["params"][0].data.reshape(-1)[0] += 2**-10
        return loss


def flip_a_bit(parameter: torch.Tensor) -> None:
    """Change the lowest bit of one weight's mantissa, in place."""
    parameter.data.view(torch.int32).reshape(-1)[5] ^= 1


def train(variant: str) -> None:
    seed = 8 if variant == "another seed" else 7
    if variant != "unseeded":
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
    else:
        torch.seed()
    inputs = torch.linspace(-1, 1, 96 * 8).reshape(96, 8).sin()
    targets = inputs.sum(1, keepdim=True).cos()
    order = torch.Generator()
    order.manual_seed(2 if variant == "another shuffle" else 1)
    data = TensorDataset(inputs, targets)
    loader = DataLoader(data, batch_size=16, shuffle=True, generator=order)
    model = nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1)
    )
    kind = WrongOnce if variant == "a wrong update" else torch.optim.AdamW
    optimizer = kind(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    step = 0
    wanted = STEPS + (2 if variant == "two steps more" else 0)
    while step < wanted:
        for x, y in loader:
            step += 1
            if variant == "other order inside a batch" and step == 3:
                x, y = x.flip(0), y.flip(0)
            if variant == "input changed after the loader" and step == 4:
                x = x + 2**-12
            if variant == "one draw more" and step == 6:
                torch.rand(1)
            if variant == "a NumPy draw more" and step == 5:
                np.random.rand()
            if variant == "another learning rate at one step" and step == 7:
                optimizer.param_groups[0]["lr"] *= 1.0000001
            output = model(x)
            if variant == "noise in the loss" and step == 9:
                output = output * (1 + 2**-8)
            output = Noisy.apply(output, variant == "noise in the backward pass" and step == 8)
            loss = nn.functional.mse_loss(output, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if variant == "one flipped bit in one weight" and step == 5:
                flip_a_bit(model[0].weight)
            run.log({"loss": loss.item()})
            if step >= wanted:
                break
    system = random.SystemRandom()
    noise = system.random() if variant == "evaluation with its own randomness" else 0.0
    run.log({"score": 0.5 + noise, "time_s": system.random()})


ids: dict[str, str] = {}
for variant in sys.argv[1:]:
    run = samebit.init(config={"steps": STEPS}, name=variant)
    ids[variant] = run.id
    train(variant)
    run.finish()
print(json.dumps(ids))
