#!/usr/bin/env python3
"""Measures what the window costs, on an X server without a screen: processor time of a guest that is idle at its prompt,
frames a second of one that scrolls the whole screen, and the speed of a guest with a window against one without."""

import argparse
import json
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts"))
from windowed import SHELL, Server, linux, ram_disk

SCROLL = "while :; do seq 1 500; done >/dev/tty0"
CHECKSUM = "work() { dd if=/dev/zero bs=1M count=$1 2>/dev/null | md5sum >/dev/null; }\n"
LINES = "work() { seq 1 $1 >/dev/tty0; }\n"
SPEED = """work WARM
for run in 1 2 3 4; do
  echo BEGIN >/dev/ttyS0; work COUNT; echo END >/dev/ttyS0
done
"""
RUNS = 4
# A process that has nothing to do with the guest and takes a quarter of the other core, as a window that is busy does.
NEIGHBOUR = """import time
while True:
    end = time.monotonic() + 0.004
    while time.monotonic() < end: pass
    time.sleep(0.012)
"""


def processor_seconds(process):
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle(server, engine, append, seconds):
    """The share of one core that the process takes while the guest waits at its prompt."""
    with tempfile.TemporaryDirectory() as tree:
        run = linux(server, ram_disk(tree, SHELL), append, "--engine", engine)
        run.wait_for("SHELL")
        time.sleep(3)
        before, start = processor_seconds(run.process.pid), time.monotonic()
        time.sleep(seconds)
        share = (processor_seconds(run.process.pid) - before) / (time.monotonic() - start)
        run.end()
        return share


def frames(server, engine, append, seconds):
    """Pictures a second that differ from the one before, looked at four times as often."""
    with tempfile.TemporaryDirectory() as tree:
        script = "echo SHELL >/dev/ttyS0\n" + SCROLL + "\n"
        run = linux(server, ram_disk(tree, script), append, "--engine", engine)
        run.wait_for("SHELL")
        time.sleep(1)
        x, y, width, _ = run.place()
        with open(server.path, "rb") as file:
            screen = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start, row, _, _ = server.layout(screen[:100])
        # A few rows of pixels at the left, where the numbers are.
        places = [start + (y + line) * row + x * 4 for line in range(5, 390, 16)]
        last, count = None, 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            now = b"".join(screen[place:place + 128] for place in places)
            count += now != last
            last = now
            time.sleep(0.004)
        screen.close()
        run.end()
        return count / seconds


def speed(server, engine, work, count, append, mhz):
    """Seconds of each run of the same work, by a clock that a guest does not outrun."""
    script = work + SPEED.replace("COUNT", str(count)).replace("WARM", str(max(1, count // 10)))
    with tempfile.TemporaryDirectory() as tree:
        run = linux(server, ram_disk(tree, script), append, "--engine", engine, "--clock", "host", "--mhz", str(mhz))
        seconds = []
        for _ in range(RUNS):
            start = run.wait_for("BEGIN")
            seconds.append(run.wait_for("END") - start)
        run.end()
        return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="translator")
    parser.add_argument("--seconds", type=float, default=10, help="length of a measurement (10)")
    parser.add_argument("--megabytes", type=int, default=150, help="to compute checksums of (150)")
    parser.add_argument("--lines", type=int, default=40000, help="to print (40000)")
    parser.add_argument("--mhz", type=int, default=10000, help="clock of the guests whose speed is measured (10000)")
    parser.add_argument("--turns", type=int, default=4, help="guests with and without a window in turn (4)")
    parser.add_argument("--only", default="idle,frames,speed", help="what to measure, separated by commas (all)")
    parser.add_argument("--json", help="write the figures to this file as well")
    options = parser.parse_args()
    result = {"engine": options.engine}
    with tempfile.TemporaryDirectory() as directory:
        server = Server(directory)
        try:
            consoles = (("text", ""), ("framebuffer", "vga=0x314"))
            for name, append in consoles if "idle" in options.only else ():
                share = idle(server, options.engine, append, options.seconds)
                result[f"idle_{name}"] = share
                print(f"idle at the prompt, {name} console   {share * 100:6.1f} % of a core", flush=True)
            for name, append in consoles if "frames" in options.only else ():
                rate = frames(server, options.engine, append, options.seconds)
                result[f"frames_{name}"] = rate
                print(f"scrolling, {name} console            {rate:6.1f} frames a second", flush=True)
            jobs = (("checksums", CHECKSUM, options.megabytes, ""), ("lines_text", LINES, options.lines, ""),
                    ("lines_framebuffer", LINES, options.lines // 2, "vga=0x314"))
            for name, work, count, append in jobs if "speed" in options.only else ():
                kinds = ("window", "headless", "neighbour")
                runs = {kind: [] for kind in kinds}
                for kind in (kinds + kinds[::-1]) * (options.turns // 2 or 1):
                    neighbour = None
                    if kind == "neighbour":
                        neighbour = subprocess.Popen([sys.executable, "-c", NEIGHBOUR])
                    screen = server if kind == "window" else None
                    runs[kind] += speed(screen, options.engine, work, count, append, options.mhz)
                    if neighbour:
                        neighbour.kill()
                        neighbour.wait()
                median = {kind: statistics.median(values) for kind, values in runs.items()}
                spread = {kind: (max(runs[kind]) - min(runs[kind])) / median[kind] for kind in kinds}
                best = {kind: min(values) for kind, values in runs.items()}
                result[f"speed_{name}"] = {"seconds": median, "best": best, "spread": spread}
                # The quietest runs tell more than the middle ones where neighbours disturb.
                for kind in kinds:
                    print(f"{name:18} {kind:10} median {median[kind]:.3f} s ({(median[kind] / median['headless'] - 1) * 100:+.1f}"
                          f" %), best {best[kind]:.3f} s ({(best[kind] / best['headless'] - 1) * 100:+.1f} %), spread "
                          f"{spread[kind] * 100:.1f} %", flush=True)
        finally:
            server.end()
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=2)


if __name__ == "__main__":
    main()
