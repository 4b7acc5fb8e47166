"""Why a distribution could not be installed: what an installer prints, in one sentence.

That may name an index with its credentials, so no address of it goes any further than this file.
"""

import re

from samebit.capture.secrets import mask_text
from samebit.replay.recipe import Pin

__all__ = ["last_of", "reaches_no_index", "reason_of"]

_LAST_LINES = 3

_ADDRESS = re.compile(r"\b[\w+.-]+://[^\s'\")>]+")
_LIST = re.compile(r" ?\(from -r [^)]*\)+:?| ?\(from line \d+ of [^)]*\)")
_NO_NETWORK = re.compile(
    r"Failed to establish a new connection|Temporary failure in name resolution"
    r"|Name or service not known|ConnectTimeoutError|ReadTimeoutError|ProxyError"
    r"|error sending request|dns error|tcp connect error|network was disabled"
    r"|Network is unreachable|Could not resolve host|Failed to connect to",
    re.IGNORECASE,
)
_NOT_THERE = re.compile(
    r"No matching distribution found|there is no version of|was not found in the"
    r"|Could not find a version|no wheels? with a matching|has no (?:usable |compatible )?wheels?"
)
_OTHER_PYTHON = re.compile(
    r"(?:Requires-Python|requires a different Python|Requires: Python) ?(.*)"
)
_CONSTRAINED = re.compile(r"ResolutionImpossible|\(constraint\)")
_NOISE = re.compile(
    r"^(?:Looking in |WARNING: |hint: |note: |\[notice\]|Using Python |×|╰|$)|\[end of output\]"
    r"|^error: (?:subprocess-exited-with-error|metadata-generation-failed|Failed to .*)$"
)
# What a line that names the fault looks like: Python's, a compiler's, git's, CMake's.
_FAULT = re.compile(r"^(?:[\w.]*(?:Error|Exception)\b|fatal: |CMake Error)|fatal error: ")


def reaches_no_index(output: str) -> bool:
    """Whether it could not get through to anybody."""
    return _NO_NETWORK.search(output) is not None


def reason_of(output: str, pin: Pin) -> str:
    """Why one distribution could not be installed, by what an installer printed; no address."""
    if "yanked" in output and pin.version in output.partition("yanked")[2][:400]:
        return "it was yanked from the index"
    if reaches_no_index(output):
        return "its address does not answer"
    if _NOT_THERE.search(output):
        if match := _OTHER_PYTHON.search(output):
            return f"it needs another Python: {_short(match[1])}".rstrip(": ")
        if "+" in pin.version:
            local = pin.version.partition("+")[2]
            return (
                f"no index has the local version +{local}; PIP_EXTRA_INDEX_URL (uv: UV_INDEX) can "
                "name the one that it came from"
            )
        return "no index that is configured has it for this Python and platform"
    if _CONSTRAINED.search(output):
        return "the installer's own configuration constrains it to another version"
    if re.search(r"hash mismatch|DO NOT MATCH THE HASHES", output, re.IGNORECASE):
        return "its address has other bytes now than the run had from there"
    what = "built" if re.search(r"\bbuild|metadata", output) else "installed"
    return f"it could not be {what}: {last_of(output) or 'it is not said why'}"


def last_of(output: str) -> str:
    """The last lines that tell something, in one; no address."""
    lines = [line.strip() for line in output.splitlines()]
    telling = [line for line in lines if not _NOISE.search(line)]
    faults = [line for line in telling if _FAULT.search(line)]
    kept = list(dict.fromkeys(faults or telling))[-_LAST_LINES:]
    return " | ".join(_short(line) for line in kept)


def _short(line: str) -> str:
    return _ADDRESS.sub("(an address)", mask_text(_LIST.sub("", line))).strip()[:200]
