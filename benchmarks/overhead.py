#!/usr/bin/env python3
"""Measures what statistics cost: the same run of a Linux guest (boot, then checksums, sorting and processes that come and
go) without any, with --stats, and with --stats and a sampled profile, in turn."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts"))
from windowed import BINARY, GUESTS, ram_disk

WORK = """dd if=/dev/zero bs=1M count=COUNT 2>/dev/null | md5sum >/dev/null
seq 1 20000 | sort -rn | tail -1 >/dev/null
i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i + 1)); done
echo FINISHED >/dev/ttyS0
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="translator")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--count", type=int, default=300, help="megabytes to compute checksums of (300)")
    parser.add_argument("--json", help="write the figures to this file as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        disk = ram_disk(directory, WORK.replace("COUNT", str(options.count)))
        report = os.path.join(directory, "report.json")
        profile = os.path.join(directory, "profile.folded")
        kinds = {"off": [], "stats": ["--stats", report], "profile": ["--stats", report, "--profile", profile]}
        seconds = {kind: [] for kind in kinds}
        for turn in range(options.repeat + 1):
            for kind, extra in kinds.items():
                start = time.monotonic()
                subprocess.run(
                    [BINARY, "run", "--engine", options.engine, "--kernel", os.path.join(GUESTS, "vmlinuz-686"),
                     "--initrd", disk, "--append", "console=tty0 quiet cryptomgr.notests", "--display", "none",
                     "--until", "FINISHED", "--time-limit", "120", *extra],
                    check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                if turn:
                    seconds[kind].append(time.monotonic() - start)
    medians = {kind: statistics.median(values) for kind, values in seconds.items()}
    for kind, values in seconds.items():
        spread = (max(values) - min(values)) / medians[kind]
        # The quietest runs tell more than the middle ones where neighbours disturb.
        print(f"{kind:8} median {medians[kind]:.3f} s ({(medians[kind] / medians['off'] - 1) * 100:+.1f} %), best "
              f"{min(values):.3f} s ({(min(values) / min(seconds['off']) - 1) * 100:+.1f} %), spread {spread * 100:.1f} %")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(seconds, file, indent=2)


if __name__ == "__main__":
    main()
