"""A training of many kinds, each the same every time: `alike.py KIND`."""

import os
import random
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    WeightedRandomSampler,
)

model_kind, loader_kind, optimizer_kind, how = sys.argv[1].split("/")
random.seed(1)
np.random.seed(1)
torch.manual_seed(1)
STEPS = 6


class Augmented(Dataset):
    """Each sample is another each time, by whichever generator."""

    def __init__(self, inputs, by):
        self.inputs, self.by = inputs, by

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, at):
        x = self.inputs[at]
        noise = {
            "torch": lambda: float(torch.rand(1)),
            "numpy": lambda: float(np.random.rand()),
            "python": random.random,
        }[self.by]()
        return x + noise, torch.tensor(at % 4)


class Stream(IterableDataset):
    def __init__(self, inputs):
        self.inputs = inputs

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        part, of = (info.id, info.num_workers) if info else (0, 1)
        for at in range(part, len(self.inputs), of):
            yield self.inputs[at] + float(torch.rand(1)), torch.tensor(at % 4)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1)
        self.last = nn.Linear(16, 4)

    def forward(self, x):
        return self.last(self.layers(x.reshape(-1, 4, 16)).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = nn.LSTM(16, 12, batch_first=True, dropout=0.1, num_layers=2)
        self.last = nn.Linear(12, 4)

    def forward(self, x):
        return self.last(self.cells(x.reshape(-1, 4, 16))[0][:, -1])


def make_model():
    match model_kind:
        case "mlp":
            return nn.Sequential(
                nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 4)
            )
        case "cnn":
            return nn.Sequential(
                nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
                nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 4),
            )  # fmt: skip
        case "transformer":
            return Attention()
        case "lstm":
            return Recurrent()
        case "embedding":
            return nn.Sequential(
                nn.Embedding(50, 8), nn.Flatten(), nn.LayerNorm(64 * 8), nn.Linear(64 * 8, 4)
            )


def make_loader():
    inputs = torch.randn(96, 64)
    if model_kind == "embedding":
        inputs = torch.randint(0, 50, (96, 64))
    labels = torch.arange(96) % 4
    plain = TensorDataset(inputs, labels)
    name, _, workers = loader_kind.partition("+")
    more = {"num_workers": int(workers or 0), "batch_size": 16}
    own = torch.Generator()
    own.manual_seed(3)
    match name:
        case "shuffled":
            return DataLoader(plain, shuffle=True, **more)
        case "own":
            return DataLoader(plain, shuffle=True, generator=own, **more)
        case "weighted":
            return DataLoader(plain, sampler=WeightedRandomSampler([1.0] * 96, 96), **more)
        case "torch" | "numpy" | "python":
            return DataLoader(Augmented(inputs, name), shuffle=True, **more)
        case "stream":
            return DataLoader(Stream(inputs), **more)
        case "kept":
            more["persistent_workers"] = bool(int(workers or 0))
            return DataLoader(Augmented(inputs, "torch"), shuffle=True, **more)


def make_optimizer(model):
    parameters = list(model.parameters())
    match optimizer_kind:
        case "sgd":
            return torch.optim.SGD(parameters, 0.01, momentum=0.9, nesterov=True)
        case "adam":
            return torch.optim.Adam(parameters, 0.001, amsgrad=True)
        case "adamw":
            return torch.optim.AdamW(
                [{"params": parameters[:2], "lr": 0.01}, {"params": parameters[2:]}], 0.001
            )
        case "fused":
            return torch.optim.AdamW(parameters, 0.001, fused=True)
        case "foreach":
            return torch.optim.AdamW(parameters, 0.001, foreach=True)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, 0.001)
        case "adagrad":
            return torch.optim.Adagrad(parameters, 0.01)
        case "lbfgs":
            return torch.optim.LBFGS(parameters, 0.1, max_iter=3)


def main() -> None:
    rank = int(os.environ.get("RANK", "0"))
    ways = how.split("+")
    model = make_model()
    trained = model
    if "ddp" in ways:
        torch.distributed.init_process_group("gloo")
        trained = nn.parallel.DistributedDataParallel(model)
        torch.manual_seed(10 + rank)
    loader = make_loader()
    optimizer = make_optimizer(model)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    if "compiled" in ways:
        trained = torch.compile(model, backend="aot_eager")
    scaler = torch.amp.GradScaler("cpu", enabled="scaled" in ways)
    accumulate = 2 if "accumulated" in ways else 1
    step = 0
    while step < STEPS:
        for at, (x, y) in enumerate(loader):
            with torch.autocast("cpu", torch.bfloat16, enabled="half" in ways):
                loss = nn.functional.cross_entropy(trained(x).float(), y) / accumulate
            if optimizer_kind == "lbfgs":
                optimizer.zero_grad()
                optimizer.step(lambda x=x, y=y: again(trained, optimizer, x, y))
            else:
                scaler.scale(loss).backward()
                if (at + 1) % accumulate:
                    continue
                if "clipped" in ways:
                    scaler.unscale_(optimizer)
                    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad(set_to_none="zeroed" not in ways)
            schedule.step()
            step += 1
            if step == STEPS:
                break
    if "ddp" in ways:
        torch.distributed.destroy_process_group()


def again(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    return loss


if __name__ == "__main__":
    main()
