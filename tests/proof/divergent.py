"""A training in which one thing can be changed at one step: `divergent.py [WHAT]`.

Run by `test_divergences.py`, which knows where and as what each change must be found.
"""

import os
import random
import sys

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

what = sys.argv[1] if len(sys.argv) > 1 else ""
AT, STEPS = 7, 10
rank = int(os.environ.get("RANK", "0"))
seed = 8 if what == "seed" else 7
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)


class Rows(Dataset):
    """Numbers from a file, some of them with a little noise."""

    def __init__(self) -> None:
        table = np.load("table-2.npy" if what == "file" else "table.npy")
        self.inputs = torch.from_numpy(table)
        self.labels = self.inputs.abs().sum(1).long() % 10

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, at: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.inputs[at] + torch.rand(1) * 1e-3, self.labels[at]


class Order(Sampler):
    """Shuffled; one batch of it can come in another order."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.generator = torch.Generator()
        self.generator.manual_seed((2 if what == "shuffle" else 1) + rank)

    def __len__(self) -> int:
        return self.count

    def __iter__(self):
        order = torch.randperm(self.count, generator=self.generator).tolist()
        if what == "order":
            begin = (AT - 1) * 64
            order[begin : begin + 64] = order[begin : begin + 64][::-1]
        if what == "names":
            words = [f"word {at}" for at in range(self.count)]
            place = {word: at for at, word in enumerate(set(words))}
            order = [place[word] for word in words]
        return iter(order)


class Noisy(torch.autograd.Function):
    """The identity, whose gradient can be a little wrong."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.first = nn.Linear(4 * 6 * 6, 256)
        self.norm = nn.BatchNorm1d(256)
        self.second = nn.Linear(256, 256)
        self.dropout = nn.Dropout(0.2)
        self.last = nn.Linear(256, 10)
        if what == "layer":
            self.more = nn.Linear(10, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x.reshape(-1, 1, 8, 8)).flatten(1)
        x = self.norm(self.first(x)).relu()
        x = self.dropout(self.second(x).relu())
        if is_on("forward"):
            x = x + torch.frombuffer(bytearray(b"\x01\x02\x03\x04"), dtype=torch.uint8).sum() * 1e-4
        if is_on("outside"):
            x = x + torch.from_numpy(np.full(256, 1e-3, dtype=np.float32) * TWO)
        else:
            x = x + torch.from_numpy(np.full(256, 1e-3, dtype=np.float32))
        x = Noisy.apply(x, 1 + 2**-10 if is_noisy() else 1.0)
        return self.last(x)


class Wrong(torch.optim.AdamW):
    """Adds a little to one weight inside one of its steps."""

    def step(self, closure=None):
        loss = super().step(closure)
        if is_on("update"):
            self.param_groups[0]["params"][0].data.reshape(-1)[0] += 2**-10
        return loss


def reduced(
    state: object, bucket: torch.distributed.GradBucket
) -> torch.futures.Future[torch.Tensor]:
    """The mean over the ranks, which can be a little wrong."""
    mean = bucket.buffer()
    torch.distributed.all_reduce(mean)
    mean *= (1 + 2**-10 * is_on("reduction")) / torch.distributed.get_world_size()
    future = torch.futures.Future()
    future.set_result(mean)
    return future


TWO = np.float32(2)
step = 0


def is_on(name: str) -> bool:
    return what == name and step == AT


def is_noisy() -> bool:
    return is_on("backward") or (is_on("rank backward") and rank == 1)


data = Rows()
batch_size = 32 if what == "batch size" else 64
workers = 2 if what == "workers" else 0
loader = DataLoader(data, batch_size=batch_size, sampler=Order(len(data)), num_workers=workers)
model = Net()
trained: nn.Module = model
if "RANK" in os.environ:
    torch.distributed.init_process_group("gloo")
    trained = nn.parallel.DistributedDataParallel(model)
    trained.register_comm_hook(None, reduced)
bias = nn.Parameter(torch.zeros(10))
other = torch.optim.SGD([bias], lr=0.01)
kind = Wrong if what == "update" else torch.optim.AdamW
optimizer = kind(model.parameters(), lr=0.001)
if what == "decay":
    optimizer.param_groups[0]["weight_decay"] = 0.02
gamma = 0.91 if what == "schedule" else 0.9
schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=gamma)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**9 if what == "scale" else 2.0**10)
temperature = 1.5 if what == "temperature" else 1.0
batches = iter(loader)

while step < STEPS:
    step += 1
    x, y = next(batches)
    if what == "accumulate":
        more = next(batches)
        x, y = torch.cat([x, more[0]]), torch.cat([y, more[1]])
    if is_on("flip") or (is_on("rank") and rank == 1):
        x, y = x.flip(0), y.flip(0)
    if is_on("python draw"):
        random.random()
    x = x * (1 + random.random() * 1e-3)
    if is_on("numpy draw"):
        np.random.rand()
    x = x + torch.from_numpy(np.random.rand(64).astype(np.float32)) * 1e-3
    if is_on("torch draw"):
        torch.rand(1)
    if is_on("dropout"):
        model.dropout.p = 0.3
    if is_on("rate"):
        optimizer.param_groups[0]["lr"] *= 1.0000001
    if is_on("weight"):
        model.second.weight.data[3, 3] += 1e-6
    if is_on("other rate"):
        other.param_groups[0]["lr"] = 0.02
    optimizer.zero_grad()
    other.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=is_on("precision")):
        output = trained(x) + bias
    smoothing = 0.1 if is_on("loss") else 0.0
    loss = nn.functional.cross_entropy(output.float() / temperature, y, label_smoothing=smoothing)
    if is_on("overflow"):
        loss = loss * float("inf")
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 0.51 if is_on("clip") else 0.5)
    if is_on("gradient"):
        model.last.bias.grad[3] += 1e-3
    if is_on("state"):
        optimizer.state[model.first.weight]["exp_avg_sq"] *= 1.5
    if is_on("buffer"):
        model.norm.running_var += 1e-3
    scaler.step(optimizer)
    scaler.update()
    if is_on("overflow"):
        bias.grad = None  # else what the scaler keeps from the first it would do to the second
    other.step()
    schedule.step()
    if what == "longer" and step == STEPS:
        STEPS = 12
        what = ""
if "RANK" in os.environ:
    torch.distributed.destroy_process_group()
