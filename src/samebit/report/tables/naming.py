"""What papers call a setting, where it stands, and which way of a metric is better."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

__all__ = ["better", "label", "labels", "last_part", "plain_name", "section"]

# By the last part of a key, in lower case and with underscores.
_LABELS = {
    "lr": "learning rate",
    "base_lr": "base learning rate",
    "min_lr": "minimum learning rate",
    "max_lr": "maximum learning rate",
    "wd": "weight decay",
    "bs": "batch size",
    "batch": "batch size",
    "micro_batch": "batch size per device",
    "accumulation": "gradient accumulation steps",
    "gradient_accumulation_steps": "gradient accumulation steps",
    "grad_accum": "gradient accumulation steps",
    "world": "processes",
    "eps": "ε",
    "epsilon": "ε",
    "betas": "(β₁, β₂)",
    "beta1": "β₁",
    "beta2": "β₂",
    "alpha": "α",
    "gamma": "γ",
    "lambda": "λ",
    "tau": "τ",
    "sigma": "σ",
    "ema": "EMA decay",
    "clipping": "gradient clipping",
    "grad_clip": "gradient clipping",
    "max_grad_norm": "gradient clipping norm",
    "clip_norm": "gradient clipping norm",
    "warmup": "warm-up",
    "warmup_steps": "warm-up steps",
    "warmup_epochs": "warm-up epochs",
    "warmup_ratio": "warm-up ratio",
    "n_layers": "layers",
    "n_layer": "layers",
    "num_layers": "layers",
    "n_heads": "attention heads",
    "n_head": "attention heads",
    "num_heads": "attention heads",
    "d_model": "model width",
    "hidden": "hidden size",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "max_len": "maximum length",
    "max_length": "maximum length",
    "parameters": "parameters",
    "trainable": "trainable parameters",
    "device": "device",
    "hash": "hash seed",
    "acc": "accuracy",
    "f1": "F1",
    "auc": "AUC",
    "auroc": "AUROC",
    "bleu": "BLEU",
    "rouge": "ROUGE",
    "wer": "WER",
    "fid": "FID",
    "mse": "MSE",
    "rmse": "RMSE",
    "mae": "MAE",
    "nll": "NLL",
    "iou": "IoU",
    "miou": "mIoU",
    "map": "mAP",
    "ppl": "perplexity",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "ece": "ECE",
}
_WHOLE = {
    "optimizer.name": "optimizer",
    "training.batch": "batch size",
    "machine.device": "device",
    "seed": "seed",
}
_SECTIONS = {"training": "training", "machine": "machine", "seeds": "seeds", "data": "data"}

_HIGHER = frozenset(
    {"acc", "accuracy", "f1", "auc", "auroc", "auprc", "ap", "map", "precision", "recall"}
    | {"sensitivity", "specificity", "bleu", "rouge", "meteor", "iou", "miou", "dice", "psnr"}
    | {"ssim", "reward", "return", "returns", "score", "r2", "top", "win", "wins", "success"}
    | {"mcc", "kappa", "correlation", "pearson", "spearman", "ndcg", "mrr", "hit", "hits", "em"}
    | {"throughput", "speedup"}
)
_LOWER = frozenset(
    {"loss", "error", "err", "mse", "rmse", "rmsle", "mae", "mape", "nll", "ce", "bce", "ece"}
    | {"perplexity", "ppl", "wer", "cer", "fid", "kid", "brier", "divergence", "kl", "regret"}
    | {"latency", "time", "seconds", "memory", "flops", "distance", "hausdorff", "cost", "bpc"}
    | {"bpb", "bpd", "entropy"}
)
_WORD = re.compile(r"[^a-z0-9]+")


def last_part(key: str) -> str:
    """The last part of a dotted key, in lower case and with underscores."""
    return key.rpartition(".")[2].lower().replace("-", "_")


def plain_name(key: str) -> str:
    """A key as somebody types it: without `config.` or `metric.`."""
    return key.removeprefix("config.").removeprefix("metric.")


def label(key: str, own: Mapping[str, str] | None = None) -> str:
    """What a key is called; `own` labels, by short or whole name, are the last word."""
    for name in (key, plain_name(key), last_part(key)):
        if own and name in own:
            return own[name]
    if key in _WHOLE:
        return _WHOLE[key]
    last = last_part(key)
    if last in _LABELS:
        return _LABELS[last]
    if key.startswith("metric."):
        words = plain_name(key).replace("_", " ").split("/")
        return " ".join(_LABELS.get(word.lower(), word) for word in words)
    return key.rpartition(".")[2].replace("_", " ").strip() or key


def labels(keys: Sequence[str], own: Mapping[str, str]) -> dict[str, str]:
    """A label for each key; where two would have the same, the whole key says which it is."""
    found = {key: label(key, own) for key in keys}
    counts: dict[str, int] = {}
    for text in found.values():
        counts[text] = counts.get(text, 0) + 1
    plain = [plain_name(key) for key in keys]
    return {
        key: text if counts[text] == 1 else f"{text} ({name if plain.count(name) == 1 else key})"
        for (key, text), name in zip(found.items(), plain, strict=True)
    }


def section(key: str, own: Mapping[str, Sequence[str]]) -> str:
    """Below which title a key stands."""
    for title, names in own.items():
        if matches(key, names):
            return title
    first, _, rest = key.partition(".")
    if re.fullmatch(r"optimizer\d*", first):
        return first
    if first == "config":
        group, dot, _ = rest.partition(".")
        return group.replace("_", " ") if dot else "settings"
    return _SECTIONS.get(first, "settings")


def matches(key: str, patterns: Iterable[str]) -> bool:
    """Whether a key is one of these: by its whole name, the short one or its last part.

    Any of them may be a pattern, such as `optimizer.*` or `*_size`.
    """
    names = (key, plain_name(key), key.rpartition(".")[2])
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def better(metric: str, own: Mapping[str, str]) -> str | None:
    """`higher`, `lower`, or None where the name does not tell.

    The last word of the name that is known decides: `val/acc` is an accuracy, `acc_loss` a loss.
    """
    for name in (metric, plain_name(metric)):
        if name in own:
            return own[name]
    for word in reversed(_WORD.split(plain_name(metric).lower())):
        word = word.rstrip("0123456789") if word not in _HIGHER | _LOWER else word
        if word in _LOWER:
            return "lower"
        if word in _HIGHER:
            return "higher"
    return None
