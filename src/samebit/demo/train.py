"""Train a small convolutional network on scikit-learn's handwritten digits."""

import argparse
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import samebit

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=3e-3)
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--forget-seed", action="store_true", help="the fault: shuffle unseeded")
args = parser.parse_args()

run = samebit.init()  # joins the run that `samebit run` began

images, labels = load_digits(return_X_y=True)
images = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
digits = TensorDataset(images, torch.tensor(labels))
train, test = random_split(digits, [1500, 297], generator=torch.Generator().manual_seed(7))

order = torch.Generator()
if args.forget_seed:
    order.seed()  # takes a seed from the system: another order in every run
else:
    order.manual_seed(7)
loader = DataLoader(train, batch_size=args.batch_size, shuffle=True, generator=order)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Dropout(0.25), nn.Linear(512, 10),
)  # fmt: skip
optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
steps = args.epochs * len(loader)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total_steps=steps)


def accuracy() -> float:
    """The share of test digits that are read right."""
    model.eval()
    with torch.no_grad():
        pixels, truth = next(iter(DataLoader(test, batch_size=len(test))))
        return (model(pixels).argmax(1) == truth).float().mean().item()


for epoch in range(args.epochs):
    model.train()
    for at, (pixels, truth) in enumerate(loader, start=1):
        loss = nn.functional.cross_entropy(model(pixels), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        run.log({"loss": loss.item()})
        if sys.stdout.isatty():
            done = (epoch * len(loader) + at) / steps
            print(f"\r  training {'█' * round(30 * done):░<30} {done:4.0%}", end="")
    run.log({"accuracy": accuracy()})
if sys.stdout.isatty():
    print("\r" + " " * 50, end="\r")
print(f"  accuracy on 297 unseen digits: {accuracy():.4f}")
