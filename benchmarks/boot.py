#!/usr/bin/env python3
"""Boot time of a disk: from the start of the simulator to the login prompt on the serial line, and to the end
after an ACPI shutdown from the shell, with Switchback and QEMU TCG in turns on the same image.

The image is one of scripts/make-debian-disk.sh (user root, password root). Nothing is written to it. Each
number is the median of --repeat runs; the CPU time is that of the whole process.
"""
import argparse
import json
import os
import selectors
import shutil
import statistics
import subprocess
import sys
import time

from disk import ROOT, cpu_seconds

# What is awaited on the serial line, and what is typed then.
SCRIPT = [
    (b"login: ", b"root\n"),
    (b"assword: ", b"root\n"),
    (b"# ", b"systemctl is-system-running --wait; poweroff\n"),
]


def run(command, limit):
    """Runs a machine through the script: (seconds to the prompt, CPU seconds to it, seconds to the end)."""
    begin = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    os.set_blocking(process.stdout.fileno(), False)
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    text, step, prompt, cpu = b"", 0, None, None
    while time.monotonic() < begin + limit:
        if not selector.select(timeout=1):
            continue
        part = process.stdout.read(65536)
        if not part:
            process.wait()
            end = time.monotonic() - begin
            return (prompt, cpu, end) if step == len(SCRIPT) else None
        text += part
        if step < len(SCRIPT) and SCRIPT[step][0] in text:
            if step == 0:
                prompt, cpu = time.monotonic() - begin, cpu_seconds(process.pid)
            text = b""
            process.stdin.write(SCRIPT[step][1])
            process.stdin.flush()
            step += 1
    process.kill()
    process.wait()
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--engines", default="adaptive")
    parser.add_argument("--memory", type=int, default=512)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--json")
    options = parser.parse_args()
    program = os.path.join(ROOT, ".build/release/switchback")
    machines = {}
    for engine in options.engines.split(","):
        # Counting cycles skips the time in which the guest waits; the host's clock does not.
        for clock in ("cycles", "host"):
            machines[f"switchback {engine} --clock {clock}"] = [
                program, "run", "--engine", engine, "--clock", clock, "--display", "none",
                "-m", f"{options.memory}M", "--disk", options.image, "--snapshot",
                "--time-limit", str(options.limit)]
    qemu = shutil.which("qemu-system-i386")
    if qemu:
        machines["qemu tcg"] = [
            qemu, "-accel", "tcg", "-m", str(options.memory), "-display", "none", "-serial", "stdio",
            "-monitor", "none", "-no-reboot", "-snapshot", "-drive",
            f"file={options.image},format=raw,if=ide,cache=writeback"]
    samples = {name: [] for name in machines}
    for _ in range(options.repeat):
        for name, command in machines.items():
            samples[name].append(run(command, options.limit))
    rows = []
    print(f"{'machine':48}{'login s':>9}{'CPU s':>8}{'all s':>8}")
    for name, results in samples.items():
        done = [result for result in results if result]
        if not done:
            sys.exit(f"{name}: did not come to its end")
        prompt, cpu, end = (statistics.median(column) for column in zip(*done))
        rows.append({"machine": name, "login_seconds": prompt, "login_cpu_seconds": cpu,
                     "seconds": end, "runs": len(done)})
        print(f"{name:48}{prompt:9.1f}{cpu:8.1f}{end:8.1f}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
