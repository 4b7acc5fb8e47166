"""Texts that are nearly equal: MinHash finds candidates, and their true Jaccard index decides.

A text is the set of its runs of five words, lower case, without punctuation; one of fewer words is
a run itself. 128 permutations in 32 bands of four miss a pair of index 0.8 once in 10^7.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import xxhash

from samebit.data import leaks
from samebit.data.leaks import Match
from samebit.data.members import numpy

__all__ = ["LEAST", "find", "normalized"]

LEAST = 0.8  # Jaccard index of near texts
_WORDS = 5
_BANDS, _DEPTH = 32, 4
_NOT_WORDS = re.compile(r"[\W_]+")
_TOGETHER = 1 << 17  # runs of words that are hashed together
_COMPARED = 64  # texts that agree with one in a band and with which it is compared
_SURELY_NOT = 0.6  # share of equal signs, five deviations below what LEAST gives


def normalized(text: str) -> str:
    """Lower case, without punctuation, words apart by one space each."""
    return _NOT_WORDS.sub(" ", text.lower()).strip()


def find(texts: Sequence[str], codes: Any, parts: Mapping[str, Any]) -> list[Match]:
    """Rows of two parts whose texts are near and not equal.

    Args:
        texts: distinct ones, normalized.
        codes: which of them each row has; below 0 where none.
        parts: row numbers by part.
    """
    np = numpy()
    there = np.zeros((len(parts), len(texts)), bool)
    for at, rows in enumerate(parts.values()):
        held = codes[rows]
        there[at, held[held >= 0]] = True
    near = [pair for pair in _candidates(_signatures(texts), there) if _is_near(texts, *pair)]
    if not near:
        return []
    edges = np.array([*near, *((b, a) for a, b in near)], "i8")
    found: list[Match] = []
    for first, second in leaks.pairs_of(list(parts)):
        row_of = np.full(len(texts), -1, "i8")  # a row of the first that has it
        held = codes[parts[first]]
        row_of[held[held >= 0]] = parts[first][held >= 0]
        partner_of = np.full(len(texts) + 1, -1, "i8")  # the last: of rows without text
        known = edges[row_of[edges[:, 0]] >= 0]
        partner_of[known[:, 1]] = row_of[known[:, 0]]
        partner = partner_of[codes[parts[second]]]
        at = np.flatnonzero(partner >= 0)
        if len(at):
            found.append(Match(first, second, at, partner[at]))
    return found


def _in_two(there: Any, a: Any, b: Any) -> Any:
    """Of pairs of texts which are in two different parts."""
    ours, theirs = there[:, a], there[:, b]
    return ours.any(axis=0) & theirs.any(axis=0) & ((ours | theirs).sum(axis=0) > 1)


def _is_near(texts: Sequence[str], a: int, b: int) -> bool:
    ours, theirs = _runs(texts[a]), _runs(texts[b])
    return len(ours & theirs) >= LEAST * len(ours | theirs)


def _runs(text: str) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[at : at + _WORDS]) for at in range(max(len(words) - _WORDS + 1, 1))}


def _candidates(signatures: Any, there: Any) -> set[tuple[int, int]]:
    """Pairs of texts of two parts that agree in a band and in enough of their signatures."""
    np = numpy()
    found: set[tuple[int, int]] = set()
    for band in range(_BANDS):
        mine = np.ascontiguousarray(signatures[:, band * _DEPTH : (band + 1) * _DEPTH])
        order = np.lexsort(mine.T)
        news = (mine[order][1:] != mine[order][:-1]).any(axis=1)
        group = np.cumsum(np.concatenate([np.zeros(min(len(mine), 1), bool), news]))
        for apart in range(1, _COMPARED + 1):
            alike = np.flatnonzero(group[apart:] == group[:-apart])
            if not len(alike):
                break
            a, b = order[alike], order[alike + apart]
            kept = _in_two(there, a, b)
            a, b = a[kept], b[kept]
            kept = (signatures[a] == signatures[b]).mean(axis=1) >= _SURELY_NOT
            pairs = np.sort(np.stack([a[kept], b[kept]], axis=1), axis=1)
            found.update((one, other) for one, other in pairs.tolist())
    return found


def _signatures(texts: Sequence[str]) -> Any:
    """Of each text the least of each permutation of its runs, shape (texts, 128)."""
    np = numpy()
    known: dict[str, int] = {}
    made: list[Any] = []
    some: list[Any] = []
    count = 0
    for text in texts:
        words = text.split()
        for word in words:
            if word not in known:
                known[word] = xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass"))
        hashed = np.array([known[word] for word in words], "u8")
        some.append(_hashed_runs(hashed))
        count += len(some[-1])
        if count >= _TOGETHER:
            made.append(_least(some))
            some, count = [], 0
    made += [_least(some)] if some else []
    return np.concatenate(made) if made else np.empty((0, _BANDS * _DEPTH), "u4")


def _hashed_runs(words: Any) -> Any:
    """A hash of each run of words, in which their order matters."""
    np = numpy()
    count = max(len(words) - _WORDS + 1, 1)
    made = np.zeros(count, "u8")
    for at in range(min(_WORDS, len(words))):
        made = (made ^ words[at : at + count]) * np.uint64(0x9E3779B97F4A7C15)
        made ^= made >> np.uint64(29)
    return made


def _least(runs: Sequence[Any]) -> Any:
    np = numpy()
    begins = np.cumsum([0, *map(len, runs[:-1])])
    joined = np.concatenate(runs)
    # Multiplied by an odd number, of which the upper half is kept: the same in every process.
    made = np.empty((len(runs), _BANDS * _DEPTH), "u4")
    for at in range(_BANDS * _DEPTH):
        odd = np.uint64(xxhash.xxh3_64_intdigest(b"permutation", at) | 1)
        more = np.uint64(xxhash.xxh3_64_intdigest(b"added", at))
        permuted = ((joined * odd + more) >> np.uint64(32)).astype("u4")
        made[:, at] = np.minimum.reduceat(permuted, begins)
    return made
