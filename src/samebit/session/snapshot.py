"""The code of a run: taken, put into the store, and told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from samebit import records
from samebit.capture import code, secrets
from samebit.folders.folder import RunFolder
from samebit.objects.store import Store
from samebit.objects.tree import save_tree
from samebit.places import Settings
from samebit.records import CodeRecord

__all__ = ["record_code"]


def record_code(
    folder: RunFolder,
    start: Path,
    script: Path | None,
    settings: Settings,
    emit: Callable[[str, Any], None],
    trouble: Callable[[str, Exception], None],
) -> None:
    """Record the code around `start`; what fails is told to `trouble`."""
    try:
        taken = code.take(
            start,
            folder.id,
            ref=settings.code_ref,
            script=script,
            is_secret=secrets.is_secret_file,
        )
        tree, record = save_tree(Store(folder.store), taken.files)
    except Exception as error:
        trouble("code", error)
        return
    emit(
        "code",
        records.plain(
            CodeRecord(
                root=str(taken.root),
                tree=tree,
                files=len(record.entries),
                size_bytes=sum(entry.size_bytes for entry in record.entries),
                head=taken.head,
                branch=taken.branch,
                commit=taken.commit,
                ref=taken.ref,
                remote=secrets.mask_url(taken.remote) if taken.remote else None,
                changed=tuple(taken.changed),
                left_out=tuple(taken.left_out),
                notices=tuple(taken.notices),
            )
        ),
    )
