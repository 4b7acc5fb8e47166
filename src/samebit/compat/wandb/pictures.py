"""Arrays as pictures, as wandb takes them: which numbers are black and white, batches as a grid."""

import io
import math
import sys
from typing import Any

from samebit.media import given

__all__ = ["animated", "as_numpy", "picture"]

_COLUMNS = 8  # of a grid
_BETWEEN = 2  # pixels


def as_numpy(value: Any) -> Any:
    """A value as an array of NumPy; a tensor on a device is waited for, as wandb waits."""
    import numpy as np  # noqa: PLC0415  (whoever has an array has it)

    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        tensor = value.detach().cpu()
        narrow = tensor.dtype in (torch.bfloat16, torch.float16)
        return (tensor.float() if narrow else tensor).numpy()
    return np.asarray(value)


def picture(value: Any, mode: str | None = None) -> given.Image:
    """What `samebit.Image` is given for it.

    Args:
        value: an image of Pillow, or an array: height × width, with channels last; of torch with
            channels first, and batches of them, which become one grid.
        mode: of Pillow; an array is converted to it.

    Raises:
        ValueError: it has no shape of a picture.
    """
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(value, pillow.Image):
        return given.Image(value if mode is None else value.convert(mode))
    torch = sys.modules.get("torch")
    pixels = as_numpy(value)
    if torch is not None and isinstance(value, torch.Tensor) and pixels.ndim >= 3:
        pixels = pixels.transpose(*range(pixels.ndim - 3), -2, -1, -3)
    pixels = _grid(pixels)
    if pixels.ndim not in (2, 3) or not pixels.size:
        raise ValueError(f"Un-supported shape for image conversion {list(pixels.shape)}")
    if pixels.ndim == 3 and pixels.shape[2] > 4:
        raise ValueError(f"Un-supported shape for image conversion {list(pixels.shape)}")
    return given.Image(pixels, channels="last", range=_range(pixels))


def _range(pixels: Any) -> tuple[float, float] | None:
    """Which numbers are black and white, where that is not 0 to 255, or for floats 0 to 1."""
    import numpy as np  # noqa: PLC0415

    if pixels.dtype.kind not in "iuf" or pixels.dtype == np.uint8:
        return None
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        return None
    low, high = float(finite.min()), float(finite.max())
    if pixels.dtype.kind == "f" and low >= 0 and high <= 1:
        return None
    if low >= 0 and high <= 255:
        return None if pixels.dtype.kind != "f" else (0.0, 255.0)
    return (low, high) if low < high else (low, low + 1)


def _grid(pixels: Any) -> Any:
    """Pictures in rows of eight, for an array that has more than one of them."""
    import numpy as np  # noqa: PLC0415

    if pixels.ndim != 4:
        return pixels
    count, height, width, channels = pixels.shape
    if count == 1:
        return pixels[0]
    across = min(_COLUMNS, count)
    down = math.ceil(count / across)
    tall, wide = height + _BETWEEN, width + _BETWEEN
    whole = np.zeros((down * tall, across * wide, channels), pixels.dtype)
    for at in range(count):
        top, left = at // across * tall, at % across * wide
        whole[top : top + height, left : left + width] = pixels[at]
    return whole[: down * tall - _BETWEEN, : across * wide - _BETWEEN]


def animated(value: Any, fps: int) -> bytes:
    """An animated PNG of an array of time × channels × height × width, or of a batch of films.

    Raises ValueError where it is none of these.
    """
    import numpy as np  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415  (as wandb, which needs more for it)

    frames = as_numpy(value)
    if frames.ndim == 5:  # films beside each other
        beside = frames.transpose(1, 0, 3, 4, 2)
        frames = np.stack([_grid(one) for one in beside]).transpose(0, 3, 1, 2)
    if frames.ndim != 4 or frames.shape[1] not in (1, 3, 4):
        raise ValueError(
            "Video must be atleast 4 dimensions: time, channels, height, width, "
            f"not {list(np.shape(frames))}"
        )
    if frames.dtype != np.uint8:
        low, high = _range(frames) or ((0.0, 1.0) if frames.dtype.kind == "f" else (0.0, 255.0))
        scaled = np.clip((frames.astype(np.float64) - low) / (high - low), 0.0, 1.0)
        frames = np.rint(scaled * 255).astype(np.uint8)
    each = frames.transpose(0, 2, 3, 1)
    pictures = [Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one) for one in each]
    stream = io.BytesIO()
    first, *rest = pictures
    first.save(
        stream, "PNG", save_all=True, append_images=rest, duration=1000 // max(fps, 1), loop=0
    )
    return stream.getvalue()
