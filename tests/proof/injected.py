"""What is injected and where it is to be found; and what is alike, and must not be told apart."""

from msgspec import Struct

__all__ = ["ALIKE", "CASES", "Case"]


class Case(Struct, frozen=True):
    """One injected divergence."""

    what: str  # the script's argument
    step: int
    cause: str  # the group of the trace
    kind: str  # of the operation: op | control flow | value | generator | outside; or empty
    says: str = ""  # a pattern of what is said of the operation
    environ: tuple[tuple[str, str], ...] = ()  # of the second run alone
    array: str = ""  # named among the arrays that differ
    optimizer: int = 0
    ranks: int = 1
    rank: str = ""  # the one that is named
    remark: str = ""


CASES = (
    # Generators, order, data.
    Case("seed", 0, "init", "generator", r"uniform_.*\(divergent\.py:\d+\)"),
    Case("shuffle", 1, "batch", "generator", r"randperm.*\(divergent\.py:\d+\)"),
    Case("order", 7, "batch", "value", r"select"),
    Case("names", 1, "batch", "value", r"select", (("PYTHONHASHSEED", "5"),)),
    Case("file", 1, "batch", "outside", r"\(divergent\.py:\d+\)"),
    Case("batch size", 1, "batch", "control flow", ""),
    Case("accumulate", 1, "batch", "control flow", ""),
    Case("workers", 1, "batch", "control flow", ""),
    Case("flip", 7, "input", "control flow", r"aten\.flip"),
    Case("rank", 7, "input", "control flow", r"aten\.flip", ranks=2, rank="1"),
    Case("python draw", 7, "input", "value", r"aten\.mul"),
    Case("numpy draw", 7, "input", "outside", r"aten\.mul.*\(divergent\.py:\d+\)"),
    Case("torch draw", 7, "rng.torch", "control flow", r"aten\.rand"),
    # Hyper-parameters and schedule.
    Case("rate", 7, "hyper", "value", r"aten\.mul_"),
    Case("decay", 1, "hyper", "value", r"aten\.mul_"),
    Case("schedule", 5, "hyper", "value", r"aten\.mul_"),
    Case("other rate", 7, "hyper", "value", r"aten\.add", optimizer=1),
    Case("scale", 1, "loss", "value", r"aten\.full"),
    Case("overflow", 7, "batch", "control flow", r"aten\.mul"),
    # Forward, loss, backward.
    Case("dropout", 7, "output", "value", r"dropout"),
    Case("forward", 7, "output", "control flow", r"\(divergent\.py:\d+\)"),
    Case("outside", 7, "output", "outside", r"aten\.add.*model.*\(divergent\.py:\d+\)"),
    Case("precision", 7, "output", "control flow", r"_to_copy"),
    Case("loss", 7, "loss", "control flow", ""),
    Case("temperature", 1, "loss", "value", r"aten\.div"),
    Case("backward", 7, "grad.raw", "value", r"aten\.mul.*NoisyBackward"),
    Case("rank backward", 7, "grad.local", "value", r"aten\.mul.*NoisyBackward", ranks=2, rank="1"),
    Case("reduction", 7, "grad.raw", "value", r"aten\.mul_", ranks=2, rank="0"),
    Case("clip", 7, "grad", "value", r"aten\.mul", array="first.weight"),
    Case("gradient", 7, "grad", "control flow", "", array="1 of 10 arrays: last.bias"),
    # The optimizer, and what changes beside it.
    Case("weight", 7, "entering", "control flow", "", array="1 of 10 arrays: second.weight"),
    Case("update", 7, "param", "control flow", "", array="1 of 10 arrays: conv.weight"),
    Case("state", 7, "param", "control flow", "", array="1 of 10 arrays: first.weight"),
    Case("buffer", 7, "buffers", "control flow", "", array="model.norm.running_var"),
    Case("layer", 0, "init", "control flow", ""),
    Case("longer", 11, "length", "", remark="one of the two has no such step"),
    # Arithmetic: the same script and the same numbers, in other surroundings.
    Case("threads", 1, "", "op", r"aten\.", (("OMP_NUM_THREADS", "1"),)),
    Case("aten", 0, "init", "op", r"aten\.", (("ATEN_CPU_CAPABILITY", "default"),)),
    Case("mkl", 1, "output", "op", r"aten\.addmm", (("MKL_CBWR", "COMPATIBLE"),)),
    Case("onednn", 1, "output", "op", r"convolution", (("ONEDNN_MAX_CPU_ISA", "SSE41"),)),
)

# For `alike.py`: model/loader/optimizer/how.
ALIKE = (
    "mlp/shuffled/sgd/plain",
    "mlp/own+2/adam/clipped",
    "mlp/torch/adamw/accumulated",
    "mlp/torch+2/adamw/zeroed",
    "mlp/numpy+2/sgd/plain",
    "mlp/python+2/rmsprop/plain",
    "mlp/kept+2/adam/plain",
    "mlp/stream/sgd/plain",
    "mlp/stream+2/sgd/plain",
    "mlp/weighted/adagrad/plain",
    "mlp/shuffled/lbfgs/plain",
    "mlp/shuffled/fused/clipped",
    "mlp/shuffled/foreach/scaled",
    "mlp/shuffled/adamw/compiled",
    "mlp/torch/adamw/half",
    "cnn/shuffled/sgd/plain",
    "cnn/torch+2/adamw/scaled+clipped",
    "cnn/own/adam/compiled",
    "cnn/shuffled/sgd/half+accumulated",
    "transformer/shuffled/adamw/clipped",
    "transformer/torch+2/adamw/half",
    "transformer/shuffled/adamw/compiled+accumulated",
    "lstm/shuffled/adam/clipped",
    "lstm/numpy/rmsprop/plain",
    "embedding/shuffled/adamw/plain",
    "embedding/weighted+2/sgd/zeroed",
    "mlp/shuffled/adamw/ddp",
    "cnn/torch+2/sgd/ddp+clipped",
    "transformer/own/adamw/ddp+accumulated",
)
