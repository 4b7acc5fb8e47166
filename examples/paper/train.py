"""Train a small convolutional network on scikit-learn's digits, with or without random shifts."""

import argparse

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import samebit

parser = argparse.ArgumentParser()
parser.add_argument("--method", choices=("plain", "shifted"), required=True)
parser.add_argument("--lr", type=float, default=1e-2)
parser.add_argument("--weight-decay", type=float, default=1e-2)
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--no-test", action="store_true", help="leave the test digits alone")
args = parser.parse_args()

run = samebit.init()  # joins the run that `samebit run --seed N` began
torch.set_num_threads(1)

pixels, digits = load_digits(return_X_y=True)
# The split has a seed of its own: every run is tested on the same digits.
rest, test_x, rest_y, test_y = train_test_split(
    pixels, digits, test_size=360, stratify=digits, random_state=0
)
train_x, val_x, train_y, val_y = train_test_split(
    rest, rest_y, test_size=360, stratify=rest_y, random_state=0
)


def prepared(x, y):
    """Pixels from 0 to 1, as images."""
    images = torch.tensor(x / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    return TensorDataset(images, torch.tensor(y))


train, val, test = prepared(train_x, train_y), prepared(val_x, val_y), prepared(test_x, test_y)
run.data("digits", (pixels, digits))
run.splits(train=train, val=val, test=test, name="digits")


def shifted(images):
    """Each image moved by at most one pixel to every side, over a border of zeros."""
    windows = nn.functional.pad(images, (1, 1, 1, 1)).unfold(2, 8, 1).unfold(3, 8, 1)
    down, right = torch.randint(0, 3, (2, len(images)))
    return windows[torch.arange(len(images)), :, down, right]


model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(96, 50), nn.ReLU(), nn.Linear(50, 10),
)  # fmt: skip
loader = DataLoader(train, batch_size=args.batch_size, shuffle=True)
optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs * len(loader))


def accuracy(data):
    """The share of digits that are read right."""
    model.eval()
    with torch.no_grad():
        images, labels = data.tensors
        return (model(images).argmax(1) == labels).float().mean().item()


for epoch in range(1, args.epochs + 1):
    model.train()
    total = 0.0
    for images, labels in loader:
        if args.method == "shifted":
            images = shifted(images)
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += loss.item() * len(images)
    run.log({"train/loss": total / len(train), "val/acc": accuracy(val)}, step=epoch)
if not args.no_test:
    run.log({"test/acc": accuracy(test)}, step=args.epochs)
