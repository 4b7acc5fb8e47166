"""An `ssh` that leads to a server of its own: old, full, or hostile, as its first argument says."""

import struct
import sys

FILES: dict[bytes, bytes] = {b"top/there": b"0123456789"}
OK, EOF, NO_SUCH_FILE, FAILURE = 0, 1, 2, 4


def text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def status(code: int, words: bytes = b"so it is\x1b[8m") -> tuple[int, bytes]:
    return 101, struct.pack(">I", code) + text(words) + text(b"en")


def attributes(mode: int, size: int) -> bytes:
    return struct.pack(">IQIII", 0x1 | 0x4 | 0x8, size, mode, 1_700_000_000, 1_700_000_000)


def send(kind: int, body: bytes) -> None:
    sys.stdout.buffer.write(struct.pack(">IB", 1 + len(body), kind) + body)
    sys.stdout.buffer.flush()


class Strange:
    """What is answered to each request."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.listed = 0

    def answer(self, kind: int, body: bytes) -> tuple[int, bytes]:
        length = struct.unpack(">I", body[:4])[0]
        name, rest = body[4 : 4 + length], body[4 + length :]
        if kind == 3:  # open; the handle is the name
            is_new = bool(struct.unpack(">I", rest[:4])[0] & 0x08)
            if is_new:
                FILES[name] = b""
            if name.rstrip(b"/") == b"top":  # no folders
                return status(FAILURE)
            return (102, text(name)) if name in FILES else status(NO_SUCH_FILE)
        if kind == 5:  # read
            at, size = struct.unpack(">QI", rest)
            data = FILES[name][at : at + size]
            if self.how == "long":
                data += b"and more"
            return (103, text(data)) if data else status(EOF)
        if kind == 6:  # write
            if self.how == "full":
                return status(FAILURE)
            FILES[name] = FILES[name][: struct.unpack(">Q", rest[:8])[0]] + rest[12:]
            return status(OK)
        if kind in (8, 17):  # stat
            if self.how == "kind":
                return 103, text(b"what?")
            if self.how == "cut short":
                return 105, b"\0\0"
            there = name in FILES
            return (105, attributes(0o100644, len(FILES[name]))) if there else status(NO_SUCH_FILE)
        if kind == 11:
            return 102, text(name)
        if kind == 12:
            return self.names()
        if kind == 13:
            return status(OK if FILES.pop(name, None) is not None else NO_SUCH_FILE)
        if kind == 18:  # rename, as the protocol has it
            to = rest[4:]
            if to in FILES:
                return status(FAILURE)
            FILES[to] = FILES.pop(name)
            return status(OK)
        if kind == 200:
            return 201, struct.pack(">11Q", 4096, 4096, 10, 0, *[0] * 7)
        return status(OK)  # close, mkdir

    def names(self) -> tuple[int, bytes]:
        self.listed += 1
        names = [b".", b"..", b"../../escaped", b"/escaped", b"good", b"\xff"]
        if self.how == "no names":
            return 104, struct.pack(">I", 0)
        if self.listed > 1:
            return status(EOF)
        lines = [text(name) + text(b"") + attributes(0o100644, 7) for name in names]
        return 104, struct.pack(">I", len(names)) + b"".join(lines)


def main() -> None:
    strange = Strange(sys.argv[1])
    if strange.how == "text":
        print("Welcome to the lab!", flush=True)
    read = sys.stdin.buffer.read
    while head := read(5):
        length, kind = struct.unpack(">IB", head)
        body = read(length - 1)
        if kind == 1:
            extensions = text(b"statvfs@openssh.com") + text(b"2") if strange.how == "full" else b""
            send(2, struct.pack(">I", 3) + extensions)
        elif strange.how == "huge":
            sys.stdout.buffer.write(struct.pack(">IB", 1 << 31, 103))
            sys.stdout.buffer.flush()
        else:
            number = bytes(4) if strange.how == "number" else body[:4]
            answer, data = strange.answer(kind, body[4:])
            send(answer, number + data)


if __name__ == "__main__":
    main()
