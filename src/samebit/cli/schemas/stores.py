"""What commands print about stores and remotes, and tags of git."""

from typing import NotRequired, TypedDict


class Remote(TypedDict):
    """A remote."""

    name: str
    url: str
    creates: bool
    ranges: bool
    writes: bool
    endpoint: NotRequired[str]
    region: NotRequired[str]
    profile: NotRequired[str]
    account: NotRequired[str]


class Remotes(TypedDict):
    """Those of the project."""

    remotes: list[Remote]


class RemoteShow(Remote):
    """A remote, and what is there."""

    id: str | None
    runs: list[str]
    data: list[str]
    waiting: list[str]


class RemoteRepair(TypedDict):
    """What was healed there."""

    healed: list[str]
    left: list[str]
    hurt: dict[str, str]


class Swept(TypedDict):
    """What nothing names, and whether it was removed."""

    objects: int
    bytes: int
    deleted: bool
    marked: int
    kept: list[str]
    grace_s: float


class RemoteDrop(TypedDict):
    """Which runs were taken away there."""

    dropped: list[str]


class Pushed(TypedDict):
    """What was sent; with --dry-run files instead of seconds."""

    remote: str
    runs: list[str]
    data: list[str]
    studies: NotRequired[list[str]]
    objects: int
    bytes: int
    held_back: dict[str, str]
    up_to_date: int
    seconds: NotRequired[float]
    files: NotRequired[int]


class Pulled(TypedDict):
    """What came."""

    remote: str
    runs: list[str]
    data: list[str]
    studies: list[str]
    objects: int
    bytes: int
    failed: dict[str, str]
    incomplete: dict[str, str]
    unchanged: int
    seconds: float


class Published(TypedDict):
    """A page that was made."""

    runs: list[str]
    name: str
    bytes: int
    path: str
    address: str
    not_pushed: list[str]
    remote: NotRequired[str]
    open: NotRequired[bool | None]
    signed: NotRequired[str]
    until: NotRequired[str]


class Page(TypedDict):
    """A page at a remote."""

    name: str
    address: str
    bytes: int
    published: str


class Pages(TypedDict):
    """With --ls: the pages there."""

    remote: str
    pages: list[Page]


class Unpublished(TypedDict):
    """With --rm: the page that was taken away."""

    remote: str
    removed: str


class Check(TypedDict):
    """What reading the store found."""

    objects: int
    bytes: int
    runs: int
    versions: int
    read: float  # the share of the files that was read
    damage: list[str]
    not_begun: list[str]


class Repair(TypedDict):
    """What was healed."""

    healed: list[tuple[str, str]]  # digest, and from where
    lost: list[str]
    put_back: int
    packs: list[str]
    damage: list[str]


class RunUsage(TypedDict):
    """What a run takes."""

    id: str
    name: str
    states: int
    state_bytes: int
    code_bytes: int
    file_bytes: int
    media_bytes: int
    folder_bytes: int
    own_bytes: int
    shared_bytes: int


class DataUsage(TypedDict):
    """What the versions of a name take."""

    name: str
    versions: int
    logical_bytes: int
    own_bytes: int
    shared_bytes: int


class TotalUsage(TypedDict):
    """What all takes."""

    objects_bytes: int
    runs_bytes: int
    unnamed_bytes: int
    logical_bytes: int
    unique_bytes: int
    stored_bytes: int


class Usage(TypedDict):
    """Who uses the space."""

    runs: list[RunUsage]
    data: list[DataUsage]
    total: TotalUsage


class Tags(TypedDict):
    """The refs that keep the code of runs."""

    tags: list[str]
