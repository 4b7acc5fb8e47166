"""A small network on scikit-learn's digits, whose weights and order of data have seeds apart."""

import argparse

import numpy as np

import samebit

parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, default=32, help="of the hidden layer")
parser.add_argument("--epochs", type=int, default=12)
args = parser.parse_args()

run = samebit.init()
samebit.seeds(init=1, order=2)  # in a study that varies one of them it is another number

with np.load("digits.npz") as data:  # of digits.py
    pixels, digits = data["pixels"] / 16, data["digits"]
# The split never varies: every run is tested on the same digits.
shuffled = np.random.default_rng(0).permutation(len(pixels))
train, test = shuffled[:1000], shuffled[1000:]

with samebit.role("init"):
    w1 = np.random.normal(0, 1 / 8, (64, args.width))
    w2 = np.random.normal(0, args.width**-0.5, (args.width, 10))
b1, b2 = np.zeros(args.width), np.zeros(10)


def hidden(x):
    """What the hidden layer makes of pixels."""
    return np.maximum(x @ w1 + b1, 0)


def accuracy(rows):
    """The share of digits that are read right."""
    return float((np.argmax(hidden(pixels[rows]) @ w2 + b2, axis=1) == digits[rows]).mean())


rate, batch = 0.2, 50
for epoch in range(1, args.epochs + 1):
    with samebit.role("order"):
        order = np.random.permutation(train)
    for rows in order.reshape(-1, batch):
        x, h = pixels[rows], hidden(pixels[rows])
        scores = np.exp(h @ w2 + b2)
        wrong = scores / scores.sum(axis=1, keepdims=True)
        wrong[np.arange(batch), digits[rows]] -= 1
        back = wrong @ w2.T * (h > 0)
        w2 -= rate / batch * h.T @ wrong
        b2 -= rate / batch * wrong.sum(axis=0)
        w1 -= rate / batch * x.T @ back
        b1 -= rate / batch * back.sum(axis=0)
    run.log({"test/acc": accuracy(test)}, step=epoch)
