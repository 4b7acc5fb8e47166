"""A user's day on a graphics card: training, its record, a replay, a checkpoint, a resume.

Nothing here is imitated: where there is no card, the tests are skipped, with that reason.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
if not torch.cuda.is_available():
    pytest.skip("no CUDA device in this machine", allow_module_level=True)

from samebit.folders.read import View  # noqa: E402
from samebit.session.reading import RecordedRun  # noqa: E402
from samebit.states.leaves import canonical  # noqa: E402
from samebit.trace import cards as samebit_cards  # noqa: E402
from tests.media.test_png import read_png  # noqa: E402
from tests.projects import SAMEBIT, Project  # noqa: E402
from tests.trace import test_cards as cards  # noqa: E402
from tests.trace import tf128 as page  # noqa: E402
from tests.walks import test_resume_twins as twin  # noqa: E402

pytestmark = pytest.mark.timeout(250)

# A small network in half precision with a scaler; prints digests of all that training changes.
TRAIN = """
import hashlib, json, os, sys
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
import torch
from torch import nn

words = sys.argv[1:]
torch.use_deterministic_algorithms(True)
torch.backends.cudnn.benchmark = False
if "unseeded" not in words:
    torch.manual_seed(3)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(),
    nn.Linear(16 * 8 * 8, 10),
).cuda()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused="fused" in words)
scaler = torch.amp.GradScaler("cuda", init_scale=2.0**10)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40)
images = torch.randn(64, 1, 8, 8)
data = torch.utils.data.TensorDataset(images, torch.arange(64) % 10)
loader = torch.utils.data.DataLoader(data, 16, shuffle=True, pin_memory=True)
losses = []
step = model if "compiled" not in words else torch.compile(model)
for epoch in range(3):
    for x, y in loader:
        x, y = x.cuda(non_blocking=True), y.cuda(non_blocking=True)
        x = x + 0.01 * torch.randn(x.shape, device="cuda")
        with torch.autocast("cuda"):
            loss = nn.functional.cross_entropy(step(x), y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        losses.append(loss.detach())

def digest(tensor):
    return hashlib.sha256(tensor.detach().cpu().numpy().tobytes()).hexdigest()

print(json.dumps({
    "model": {name: digest(value) for name, value in model.state_dict().items()},
    "optimizer": [digest(v) for s in optimizer.state_dict()["state"].values()
                  for v in s.values() if torch.is_tensor(v)],
    "losses": [loss.item().hex() for loss in losses],
    "cpu": digest(torch.get_rng_state()),
    "card": digest(torch.cuda.get_rng_state()),
    "memory": [torch.cuda.max_memory_allocated(), torch.cuda.memory_allocated()],
}))
"""


MOST_MEMORY = 64 << 20  # of the card's, for the digests of so small a network


def assert_nothing_is_missing(view: View) -> None:
    """What lies on a card is traced there."""
    assert view.missing == []
    digested = {fact["group"] for fact in view.all_facts("digested")}
    assert {"input", "output", "loss", "entering", "grad", "param"} <= digested
    first, second = view.trace[:2]  # whose buffers are known once the first has ended
    found = first.groups.keys() | second.groups.keys()
    assert digested | {"rng.cuda", "hyper"} <= found


@pytest.mark.parametrize("words", [[], ["fused"], ["compiled"]], ids=lambda words: " ".join(words))
def test_training_on_a_card_is_the_same_to_the_bit(project: Project, words: list[str]) -> None:
    project.write("train.py", TRAIN)
    plain = project.python("train.py", *words)
    recorded = project.run("train.py", *words)
    assert plain.code == recorded.code == 0, (plain.err, recorded.err)
    theirs, ours = plain.json, recorded.json
    before, during = theirs.pop("memory"), ours.pop("memory")
    if "compiled" not in words:  # the first of the two compiles, which takes memory
        assert max(now - then for now, then in zip(during, before, strict=True)) < MOST_MEMORY
    assert ours == theirs
    assert_nothing_is_missing(project.view())


def test_what_a_record_says_of_the_card(project: Project) -> None:
    project.write("train.py", TRAIN)
    assert project.run("train.py").code == 0
    view = project.view()
    name = torch.cuda.get_device_name(0)
    (first, *_) = view.facts["machine"]["gpus"]
    assert first["model"] == name
    assert first["uuid"].startswith("GPU-")
    assert view.facts["machine"]["gpu_driver"]
    settings = view.facts["settings"]
    assert name in settings["torch.cuda.devices"][0]
    assert {"torch.cudnn.version", "torch.nccl.version", "torch.cuda_version"} <= settings.keys()
    assert settings["torch.cuda.blas_library"]
    card = [fact for fact in view.all_facts("generator") if fact["library"] == "cuda"]
    assert len(card) == 1
    assert len(card[0]["state"]) == torch.cuda.device_count()
    shown = project.call(SAMEBIT, "show", "@last")
    assert shown.code == 0, shown.err
    assert name in shown.out


def test_what_a_card_did_is_sampled(project: Project) -> None:
    project.write(
        "busy.py",
        """
        import time, torch
        x = torch.randn(4096, 4096, device="cuda")
        until = time.monotonic() + 4
        while time.monotonic() < until:
            x = torch.nn.functional.normalize(x @ x)
            torch.cuda.synchronize()
        """,
    )
    assert project.run("busy.py").code == 0
    machine = project.view().machine
    print({name: column.values for name, column in machine.items() if "gpu" in name})
    assert max(machine["gpu0_memory_bytes"].values) > 64 << 20
    assert max(machine["gpu0_percent"].values) > 20
    assert max(machine["gpu0_watts"].values) > 50
    assert max(machine["gpu0_joules"].values) > 50


@pytest.mark.parametrize("words", [[], ["unseeded"]], ids=["seeded", "unseeded"])
def test_a_replay_on_the_card_gives_the_bits(project: Project, words: list[str]) -> None:
    project.write("train.py", TRAIN)
    assert project.run("train.py", *words).code == 0
    verified = project.call(SAMEBIT, "verify", "@last")
    print(verified.out, verified.err)
    assert verified.code == 0, (verified.out, verified.err)
    assert "identical" in verified.out


# `gather` adds up its gradient in whichever order the additions come, unless that is forbidden.
ATOMIC = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(16, 64).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
index = torch.randint(512, (1_000_000,), device="cuda")
weight = torch.randn(1_000_000, device="cuda")
for _ in range(5):
    x = torch.randn(8, 16, device="cuda")
    optimizer.zero_grad()
    loss = (model(x).flatten().gather(0, index) * weight).sum().square()
    loss.backward()
    optimizer.step()
"""


def test_additions_in_any_order_are_found_at_their_step_and_said(project: Project) -> None:
    project.write("train.py", ATOMIC)
    assert project.run("train.py").code == 0
    verified = project.call(SAMEBIT, "verify", "@last", "--json")
    assert verified.code == 5, (verified.out, verified.err)
    verdict = json.loads(verified.out)
    assert (verdict["grade"], verdict["step"]) == ("different", 1)
    assert verdict["cause"] == "the backward pass differed: same loss, other gradients"
    shown = project.call(SAMEBIT, "show", "@last").out
    assert "`samebit run --deterministic` takes deterministic algorithms" in shown


def test_deterministic_algorithms_take_them_in_one_order(project: Project) -> None:
    project.write("train.py", ATOMIC)
    assert project.run("--deterministic", "train.py").code == 0
    verified = project.call(SAMEBIT, "verify", "@last")
    assert verified.code == 0, (verified.out, verified.err)


@pytest.mark.parametrize("kernel", [True, False], ids=["triton", "eager"])
def test_recording_never_waits_for_the_card(project: Project, kernel: bool) -> None:
    """It is torch that says whenever something waits for the card."""
    project.write(
        "train.py",
        f"""
        import os, sys, samebit, torch
        if not {kernel}: sys.modules["triton"] = None
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 1)).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
        run = samebit.init()
        run.watch(model, optimizer, scheduler)
        x = torch.randn(32, 64, device="cuda")
        for step in range(20):
            if step == 3:
                torch.cuda.set_sync_debug_mode("error")
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            scheduler.step()
            run.log({{"at": step, "loss": loss.detach()}})
        torch.cuda.set_sync_debug_mode("default")
        run.finish()
        print(loss.item().hex())
        """,
    )
    ended = project.run("train.py")
    assert ended.code == 0, ended.err
    view = project.view()
    assert_nothing_is_missing(view)
    column = view.metrics["loss"]
    assert column.steps == list(range(1, 21))
    assert column.values[-1].hex() == ended.out.split()[-1]


def test_a_profile_of_a_recorded_step_has_no_synchronisation(project: Project) -> None:
    project.write(
        "train.py",
        """
        import samebit, torch
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 1)).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run = samebit.init()
        x = torch.randn(32, 64, device="cuda")
        def steps(count):
            for _ in range(count):
                optimizer.zero_grad()
                loss = model(x).square().mean()
                loss.backward()
                optimizer.step()
                run.log({"loss": loss.detach()})
        steps(3)
        activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        torch.cuda.synchronize()
        with torch.profiler.profile(activities=activities) as profile:
            steps(5)
        names = {event.key for event in profile.key_averages()}
        assert any("_sums" in name or "index_add" in name for name in names), names
        # The profiler itself waits once, at its end.
        waits = {e.key: e.count for e in profile.key_averages() if "Synchronize" in e.key}
        print(waits)
        assert sum(waits.values()) <= 1, waits
        """,
    )
    ended = project.run("train.py")
    assert ended.code == 0, (ended.out, ended.err)


def test_the_card_computes_what_the_page_says() -> None:
    """All dtypes, odd sizes and views; Triton's kernel and torch's own sums."""
    tensors = [cards.some(dtype, size) for dtype in cards.DTYPES for size in (0, 1, 3, 4097, 70001)]
    tensors += [torch.randn(300, 500).T, torch.randn(7001).to(torch.bfloat16)[1:]]
    tensors.append(torch.randn(5_000_000))
    expected = [page.tf128(cards.canonical(tensor)) for tensor in tensors]
    device = torch.device("cuda", 0)
    there = [tensor.to(device) for tensor in tensors]
    odd = torch.zeros(7001, dtype=torch.bfloat16, device=device)[1:]  # at no multiple of 4 bytes
    there[-2] = odd.copy_(tensors[-2])
    for with_kernel in (True, False):
        card = samebit_cards._Card(device)  # pyright: ignore[reportPrivateUsage]
        assert card._kernel is not None  # pyright: ignore[reportPrivateUsage]
        if not with_kernel:
            card._kernel = None  # pyright: ignore[reportPrivateUsage]
        slot = card.begin(there)
        slot.ended.synchronize()
        digests, seconds = card.read(slot)
        assert digests == expected
        assert (card._kernel is not None) == with_kernel  # pyright: ignore[reportPrivateUsage]
        print(with_kernel, seconds)


def test_a_tensor_that_changes_right_behind_is_digested_as_it_was() -> None:
    x = torch.randn(30_000_000)
    there = x.cuda()
    (leaf,) = samebit_cards.leaves([there])
    there.zero_()
    assert samebit_cards.wait(time.monotonic() + 60)
    assert leaf.value == page.tf128(cards.canonical(x))


def test_a_captured_graph_is_left_alone_and_said(project: Project) -> None:
    project.write(
        "train.py",
        """
        import samebit, torch
        torch.manual_seed(0)
        model = torch.nn.Linear(64, 1).cuda()
        optimizer = torch.optim.Adam(model.parameters(), capturable=True)
        run = samebit.init()
        x = torch.randn(32, 64, device="cuda")
        def step():
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        optimizer.zero_grad()
        with torch.cuda.graph(graph):
            model(x).square().mean().backward()
            optimizer.step()
        for _ in range(5):
            graph.replay()
        torch.cuda.synchronize()
        run.finish()
        """,
    )
    ended = project.run("train.py")
    assert ended.code == 0, (ended.out, ended.err)
    view = project.view()
    assert any("a graph is captured" in line for line in view.missing), view.missing


def test_a_script_that_does_not_use_the_card_does_not_wake_it(project: Project) -> None:
    project.write(
        "train.py",
        """
        import json, os, torch
        torch.manual_seed(1)
        model = torch.nn.Linear(4, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.utils.data.DataLoader(torch.rand(12, 4), 4, shuffle=True):
            y = model(x)  # without `backward`, with which torch itself wakes the card
            for parameter in model.parameters():
                parameter.grad = torch.full_like(parameter, y.mean().item())
            optimizer.step()
        child = os.fork()
        if not child:
            try:
                torch.ones(2, device="cuda")  # fails in a child once its parent woke the card
            except RuntimeError as error:
                print(error, flush=True)
                os._exit(3)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([torch.cuda.is_initialized(), code]))
        """,
    )
    plain, recorded = project.python("train.py"), project.run("train.py")
    assert plain.json == [False, 0], plain.out
    assert recorded.json == plain.json, (recorded.out, recorded.err)


@pytest.mark.parametrize(
    "case",
    [{"workers": 0}, {"workers": 2, "noise": "torch"}, {"workers": 2, "own": True}],
    ids=str,
)
def test_a_killed_training_on_the_card_goes_on_to_the_bit(
    tmp_path: Path, case: dict[str, Any]
) -> None:
    straight, resumed, where = twin.twins(tmp_path, at=11, device="cuda", **case)
    assert where == [11, 1, 3, 11]
    assert twin.leaves(resumed, "final") == twin.leaves(straight, "final")
    for name in ("loss", "valid"):
        assert resumed.metrics[name].values == straight.metrics[name].values
        assert resumed.metrics[name].steps == straight.metrics[name].steps
    assert_nothing_is_missing(straight)
    assert resumed.missing == straight.missing


def test_the_streams_of_a_role_lie_on_the_card_too(project: Project) -> None:
    project.write(
        "roles.py",
        """
        import json, sys, samebit, torch
        torch.zeros(1, device="cuda")
        samebit.seeds(init=int(sys.argv[1]), dropout=3)
        def draw(): return torch.rand(2, device="cuda").tolist()
        torch.cuda.manual_seed_all(5)
        first = draw()
        with samebit.role("init"): init = draw()
        second = draw()
        with samebit.role("dropout"): dropout = draw()
        print(json.dumps([first, second, init, dropout]))
        """,
    )
    one, two = (project.python("roles.py", seed) for seed in "12")
    assert one.code == two.code == 0, one.err
    assert one.json[:2] == two.json[:2]
    assert one.json[2] != two.json[2]
    assert one.json[3] == two.json[3]


@pytest.mark.parametrize(
    "name",
    ["float64", "float32", "bfloat16", "float16", "float8_e4m3fn", "complex64", "int64", "bool"],
)
def test_what_lies_on_the_card_is_what_lies_beside_it(name: str) -> None:
    plain = torch.arange(-6, 6).reshape(3, 4).T.to(getattr(torch, name))
    there, here = canonical(plain.cuda()), canonical(plain)
    assert bytes(there.data) == bytes(here.data)
    assert (there.dtype, there.shape) == (here.dtype, here.shape)


def test_a_checkpoint_from_the_card_and_back(project: Project) -> None:
    project.write(
        "keep.py",
        """
        import samebit, torch
        def make(): return torch.nn.Sequential(
            torch.nn.Linear(300, 200), torch.nn.BatchNorm1d(200)).cuda()
        run = samebit.init()
        model = make()
        optimizer = torch.optim.Adam(model.parameters())
        run.watch(model, optimizer)
        model(torch.randn(8, 300, device="cuda")).sum().backward()
        optimizer.step()
        run.checkpoint(1)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        with torch.no_grad():  # at once: what was copied out is what was there
            for parameter in model.parameters():
                parameter.zero_()
        run.finish()
        other = make()
        samebit.open_run(run.id).state("1").load_into(other)
        for name, value in other.state_dict().items():
            assert value.is_cuda
            assert torch.equal(value, before[name]), name
        print("[true]")
        """,
    )
    ended = project.run("keep.py")
    assert ended.code == 0, ended.err


def test_a_rank_with_its_own_card(project: Project) -> None:
    """Under torchrun, with NCCL, sharded: one run, one final state, `identical`."""
    project.write(
        "train.py",
        """
        import os, torch, torch.distributed as dist
        from torch.distributed.fsdp import fully_shard
        dist.init_process_group("nccl")
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.Linear(32, 4)).cuda()
        fully_shard(model)
        optimizer = torch.optim.AdamW(model.parameters())
        for _ in range(4):
            optimizer.zero_grad()
            model(torch.randn(8, 32, device="cuda")).square().mean().backward()
            optimizer.step()
        dist.destroy_process_group()
        """,
    )
    torchrun = str(Path(SAMEBIT).with_name("torchrun"))
    launcher = [torchrun] if Path(torchrun).exists() else ["python", "-m", "torch.distributed.run"]
    ended = project.run("--", *launcher, "--standalone", "--nproc-per-node=1", "train.py")
    assert ended.code == 0, ended.err
    view = project.view()
    assert view.manifest("final")
    assert view.facts["settings"]["torch.nccl.version"]
    verified = project.call(SAMEBIT, "verify", "@last", "--json")
    print(verified.out, verified.err)
    assert json.loads(verified.out)["grade"] == "identical"


def test_a_picture_on_the_card_is_copied_behind_its_work_and_not_waited_for(
    project: Project,
) -> None:
    project.write(
        "a.py",
        """
        import samebit, torch
        torch.manual_seed(1)
        run = samebit.init()
        x = torch.randint(0, 256, (3, 40, 50), dtype=torch.uint8, device="cuda")
        y = torch.rand(2, 30, device="cuda").bfloat16()
        torch.save([x.cpu(), y.float().cpu()], "expected.pt")
        run.log({"warm": samebit.Image(x)}, 0)
        x.sum()  # what it is computed with is loaded when it is first used, which waits
        torch.cuda.synchronize()
        torch.cuda._sleep(2_000_000_000)
        done = torch.cuda.Event()
        done.record()
        run.log({"x": samebit.Image(x), "y": samebit.Histogram(y), "loss": x.sum()}, 1)
        assert not done.query(), "log waited for the card"
        x.zero_()
        y.zero_()
        run.finish()
        """,
    )
    ended = project.python("a.py")
    assert ended.code == 0, ended.err
    x, y = torch.load(project.path / "expected.pt")
    found = {one.name: one for one in RecordedRun(project.view()).media()}
    assert list(found) == ["warm", "x", "y"]
    pixels = read_png(found["x"].read())
    assert (pixels == x.permute(1, 2, 0).numpy()).all()
    counted = json.loads(found["y"].read())
    assert sum(counted["counts"]) == y.numel()
    assert counted["edges"][0] == y.min().item()
    assert RecordedRun(project.view()).metrics()["loss"]["value"] == [x.sum().item()]
