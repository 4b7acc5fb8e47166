"""Counts, lengths of time and numbers of bytes as people read them."""

from samebit.report.table import number

__all__ = ["counted", "duration", "size", "sized"]


def counted(count: int, what: str) -> str:
    """`1 run`, `1,234 runs`."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def sized(part: str, rows: int) -> str:
    """A part of a split and its rows: `test 30`; of parts that have numbers for names `1: 30`."""
    return f"{part}: {rows:,}" if part.isdecimal() else f"{part} {rows:,}"


def duration(seconds: float) -> str:
    """A length of time in at most two units."""
    if seconds < 0:
        return "-" + duration(-seconds)
    if not seconds < float("inf"):
        return f"{number(seconds)} s"
    if 0 < seconds < 0.9995:  # what rounds to a second is said as one
        return f"{seconds * 1000:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return _two(whole, 60, "min", "s")
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return _two(minutes, 60, "h", "min")
    return _two(round(seconds / 3600), 24, "d", "h")


def _two(count: int, many: int, large: str, small: str) -> str:
    """So many of the small unit in both, but for none of it: `2 h 5 min`, `14 d`."""
    return f"{count // many} {large}" + (f" {count % many} {small}" if count % many else "")


def size(size_bytes: int) -> str:
    """A number of bytes in decimal units, as disks and networks count."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    amount = float(size_bytes)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        amount /= 1000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount:.1f} PB"
