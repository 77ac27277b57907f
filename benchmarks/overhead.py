#!/usr/bin/env python3
"""Measures what statistics cost: the same run of a Linux guest (boot, then checksums, sorting and processes that come and
go) without any, with --stats, and with --stats and a sampled profile.

The host's processor time of each run is taken rather than the time on the clock, so that a neighbour who takes the
processor does not count, and each run is compared with the run without statistics right beside it, so that a neighbour
who takes the caches or the frequency meets both. The order of the kinds changes from turn to turn. The figure of a kind
is the median of its ratios; the range that holds the median of nine repeated measurements in ten is estimated by drawing
the ratios again."""

import argparse
import json
import os
import random
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


def measure(arguments):
    """Seconds of a run: on the clock, and of the processor."""
    start = time.monotonic()
    process = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"overhead: a run failed with status {status}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime


def interval(ratios):
    """Where the median lies in nine of ten samples drawn from the ratios."""
    source = random.Random(1)
    medians = sorted(statistics.median(source.choices(ratios, k=len(ratios))) for _ in range(2000))
    return medians[100], medians[1899]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="translator")
    parser.add_argument("--repeat", type=int, default=15, help="runs of each (15)")
    parser.add_argument("--count", type=int, default=100, help="megabytes to compute checksums of (100)")
    parser.add_argument("--json", help="write the figures to this file as well, and add to those that it has")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    seconds = {"off": [], "stats": [], "profile": []}
    if options.json and os.path.exists(options.json):
        with open(options.json) as file:
            seconds = json.load(file)
    with tempfile.TemporaryDirectory() as directory:
        disk = ram_disk(directory, WORK.replace("COUNT", str(options.count)))
        report = os.path.join(directory, "report.json")
        profile = os.path.join(directory, "profile.folded")
        kinds = {"off": [], "stats": ["--stats", report], "profile": ["--stats", report, "--profile", profile]}
        for turn in range(options.repeat + 1):
            order = list(kinds) if turn % 2 else list(reversed(kinds))
            for kind in order:
                times = measure(
                    [BINARY, "run", "--engine", options.engine, "--kernel", os.path.join(GUESTS, "vmlinuz-686"),
                     "--initrd", disk, "--append", "console=tty0 quiet cryptomgr.notests", "--display", "none",
                     "--until", "FINISHED", "--time-limit", "120", *kinds[kind]])
                if turn:
                    seconds[kind].append(times)
            if options.json and turn:
                with open(options.json, "w") as file:
                    json.dump(seconds, file, indent=2)
    for kind, values in seconds.items():
        processor = [value[1] for value in values]
        ratios = [value / off[1] for value, off in zip(processor, seconds["off"])]
        low, high = interval(ratios)
        best = min(processor) / min(off[1] for off in seconds["off"])
        print(f"{kind:8} {len(values)} runs, median {statistics.median(processor):.3f} s of the processor,"
              f" {statistics.median(value[0] for value in values):.3f} s on the clock; against off"
              f" {(statistics.median(ratios) - 1) * 100:+.1f} % ({(low - 1) * 100:+.1f} to {(high - 1) * 100:+.1f} %),"
              f" best runs {(best - 1) * 100:+.1f} %")


if __name__ == "__main__":
    main()
