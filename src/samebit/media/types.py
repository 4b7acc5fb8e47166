"""The types of media: known by how their bytes begin, and the names of their files.

The list is that of what can be shown without anything in it being run.
"""

import json

__all__ = ["JSON", "PNG", "TEXT", "WAV", "extension", "is_one", "type_of"]

PNG, WAV, TEXT, JSON = "image/png", "audio/wav", "text/plain", "application/json"
_EXTENSIONS = {
    PNG: ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    WAV: ".wav",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    TEXT: ".txt",
    JSON: ".json",
}
_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": PNG,
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"\xff\xf3": "audio/mpeg",
    b"\xff\xf2": "audio/mpeg",
    b"OggS": "audio/ogg",
}
_RIFF = {b"WEBP": "image/webp", b"WAVE": WAV}
_MATROSKA = b"\x1aE\xdf\xa3"


def type_of(data: bytes) -> str | None:
    """What some bytes are, of what is no text; None for what is not known here."""
    for beginning, kind in _BEGINNINGS.items():
        if data.startswith(beginning):
            return kind
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return "video/mp4"
    if data[:4] == _MATROSKA and b"webm" in data[:64]:
        return "video/webm"
    return None


def is_one(kind: str, data: bytes) -> bool:
    """Whether bytes are what their record says; false of a type that is not known here."""
    try:
        if kind == TEXT:
            data.decode()
            return True
        if kind == JSON:
            json.loads(data)
            return True
    except (ValueError, RecursionError):
        return False
    return kind in _EXTENSIONS and type_of(data) == kind


def extension(kind: str) -> str:
    """What a file of this type is called behind its name: `.png`; `.bin` of one that is unknown."""
    return _EXTENSIONS.get(kind, ".bin")
