"""`make bench`: every benchmark, each in a process of its own; or those that are named."""

import subprocess
import sys
from pathlib import Path

import measure

NAMES = (
    "log_call",
    "doors",
    "media",
    "importing",
    "training_loop",
    "startup",
    "listing",
    "long_traces",
    "recorder",
    "other_loops",
    "everything",
    "checkpoint",
    "states",
    "loading",
    "fingerprints",
    "data_versions",
    "remotes",
    "ssh_remote",
    "exporting",
    "studies",
    "page",
    "page_peers",
    "page_server",
)


def main(names: list[str]) -> int:
    """Run them one after the other; 1 where one failed."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"there is no benchmark {unknown[0]}; there are {', '.join(NAMES)}")
        return 2
    failed: list[str] = []
    for name in names or NAMES:
        print(f"\n## {name}\n", flush=True)
        script = Path(__file__).with_name(f"{name}.py")
        done = subprocess.run(
            [sys.executable, str(script)], env=measure.child_environment(), check=False
        )
        if done.returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
