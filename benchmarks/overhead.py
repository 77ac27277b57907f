#!/usr/bin/env python3
"""Measures what statistics cost: the same run of a Linux guest (boot, then checksums, sorting and processes that come and
go) without any, with --stats, and with --stats and a sampled profile.

The host's processor time of each run is taken rather than the time on the clock, so that a neighbour who takes the
processor does not count. A neighbour who takes the caches or the frequency only ever makes a run longer, so the runs are
short and many, in turn and in changing order, and the fastest quarter of each kind is compared with that of the runs without
statistics. In brackets: where nine of ten repeated measurements would lie, by drawing the runs again."""

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


def fastest(values):
    """The mean of the fastest quarter."""
    values = sorted(values)[:max(1, len(values) // 4)]
    return sum(values) / len(values)


def interval(values, reference):
    """Where the ratio of the fastest lies in nine of ten pairs of samples that are drawn from both."""
    source = random.Random(1)
    ratios = sorted(
        fastest(source.choices(values, k=len(values))) / fastest(source.choices(reference, k=len(reference)))
        for _ in range(2000))
    return ratios[100], ratios[1899]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="translator")
    parser.add_argument("--repeat", type=int, default=40, help="runs of each (40)")
    parser.add_argument("--count", type=int, default=20, help="megabytes to compute checksums of (20)")
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
    off = [value[1] for value in seconds["off"]]
    for kind, values in seconds.items():
        processor = [value[1] for value in values]
        ratios = [value / reference for value, reference in zip(processor, off)]
        text = (f"{kind:8} {len(values)} runs, fastest quarter {fastest(processor):.3f} s,"
                f" median {statistics.median(processor):.3f} s")
        if kind != "off":
            low, high = interval(processor, off)
            text += (f"; against off {(fastest(processor) / fastest(off) - 1) * 100:+.1f} %"
                     f" ({(low - 1) * 100:+.1f} to {(high - 1) * 100:+.1f} %),"
                     f" median of neighbours {(statistics.median(ratios) - 1) * 100:+.1f} %")
        print(text)


if __name__ == "__main__":
    main()
