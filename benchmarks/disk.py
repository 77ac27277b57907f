#!/usr/bin/env python3
"""Disk throughput in the guest: Switchback's translator and QEMU TCG, the same kernel, RAM disk and image.

The guest reads and writes a raw disk with dd and prints a marker before and after each job; the host's clock
and the CPU time of the whole process are taken when a marker arrives. Both run with the host's page cache
(QEMU: cache=writeback), IDE with DMA and virtio. Each number is the median of --repeat runs.
"""
import argparse
import json
import os
import selectors
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GUESTS = os.path.join(ROOT, "guests")
COMMAND_LINE = "console=ttyS0 quiet cryptomgr.notests"


def ram_disk(script):
    """An uncompressed cpio archive with busybox, the modules and an init that runs the script."""
    archive = bytearray()
    inode = [0]

    def add(name, mode, data=b"", device=(0, 0)):
        inode[0] += 1
        path = name.encode() + b"\0"
        fields = [inode[0], mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0]
        for part in (b"070701" + b"".join(b"%08x" % field for field in fields) + path, data):
            archive.extend(part)
            archive.extend(bytes(-len(archive) % 4))

    def contents(name):
        with open(os.path.join(GUESTS, name), "rb") as file:
            return file.read()

    order = contents("modules/order").decode().split()
    for name in ("bin", "dev", "proc", "sys", "modules"):
        add(name, 0o040755)
    add("dev/console", 0o020600, device=(5, 1))
    add("bin/busybox", 0o100755, contents("busybox"))
    add("bin/sh", 0o120777, b"busybox")
    for name in order:
        add(f"modules/{name}.ko", 0o100644, contents(f"modules/{name}.ko"))
    head = "#!/bin/busybox sh\n/bin/busybox --install -s /bin\nexport PATH=/bin\n"
    head += "mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev\n"
    head += "".join(f"insmod /modules/{name}.ko\n" for name in order)
    add("init", 0o100755, (head + script).encode())
    add("TRAILER!!!", 0)
    return bytes(archive)


def guest_script(device, megabytes):
    script = ""
    for job, command in [
        ("read", f"dd if={device} of=/dev/null bs=1M count={megabytes}"),
        ("write", f"dd if=/dev/zero of={device} bs=1M count={megabytes} conv=fsync"),
        ("small reads", f"dd if={device} of=/dev/null bs=4k count=8192 iflag=direct"),
    ]:
        script += f"echo 3 >/proc/sys/vm/drop_caches; echo '@start {job}'; {command} 2>/dev/null"
        script += f"; echo '@end {job}'\n"
    return script + "poweroff -f\n"


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(command, limit):
    """Runs a machine; returns {job: (seconds, CPU seconds)}."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.set_blocking(process.stdout.fileno(), False)
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    text, started, result = b"", {}, {}
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if not selector.select(timeout=1):
            continue
        part = process.stdout.read(65536)
        if not part:
            break
        now, cpu = time.monotonic(), cpu_seconds(process.pid)
        text += part
        *lines, text = text.split(b"\n")
        for line in lines:
            line = line.decode(errors="replace").strip()
            if line.startswith("@start "):
                started[line[7:]] = (now, cpu)
            elif line.startswith("@end ") and line[5:] in started:
                begin = started[line[5:]]
                result[line[5:]] = (now - begin[0], cpu - begin[1])
    else:
        process.kill()
    process.wait()
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--engine", default="adaptive")
    parser.add_argument("--json")
    options = parser.parse_args()
    program = os.path.join(ROOT, ".build/release/switchback")
    kernel = os.path.join(GUESTS, "vmlinuz-686")
    qemu = subprocess.run(["which", "qemu-system-i386"], capture_output=True, text=True)
    qemu = qemu.stdout.strip()
    rows = []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as work:
        image = os.path.join(work, "disk")
        with open(image, "wb") as file:
            block = os.urandom(1 << 20)
            for _ in range(options.megabytes):
                file.write(block)
        for interface, device in (("ide", "/dev/sda"), ("virtio", "/dev/vda")):
            initrd = os.path.join(work, "initrd")
            with open(initrd, "wb") as file:
                file.write(ram_disk(guest_script(device, options.megabytes)))
            boot = ["--kernel", kernel, "--initrd", initrd, "--append", COMMAND_LINE]
            machines = {}
            for clock in ("cycles", "host"):
                machines[f"switchback --clock {clock}"] = [
                    program, "run", "--engine", options.engine, "--clock", clock, *boot,
                    "--disk", f"{image},if={interface}", "--time-limit", "300"]
            if qemu:
                machines["qemu tcg"] = [
                    qemu, "-accel", "tcg", "-m", "256", "-nographic", "-no-reboot", "-kernel", kernel,
                    "-initrd", initrd, "-append", COMMAND_LINE, "-nodefaults", "-serial", "stdio",
                    "-drive", f"file={image},format=raw,if={interface},cache=writeback"]
            samples = {name: [] for name in machines}
            for _ in range(options.repeat):
                for name, command in machines.items():
                    samples[name].append(run(command, 300))
            for job, size in (("read", options.megabytes), ("write", options.megabytes),
                              ("small reads", 32)):
                for name, results in samples.items():
                    done = [result[job] for result in results if job in result]
                    if not done:
                        sys.exit(f"{name}: {job} on {interface} did not end")
                    seconds = statistics.median(sample[0] for sample in done)
                    cpu = statistics.median(sample[1] for sample in done)
                    rows.append({"interface": interface, "job": job, "machine": name,
                                 "megabytes_per_second": size / seconds, "seconds": seconds,
                                 "cpu_seconds": cpu})
    print(f"{'disk':8}{'job':13}{'machine':36}{'MB/s':>8}{'seconds':>9}{'CPU s':>8}")
    for row in rows:
        print(f"{row['interface']:8}{row['job']:13}{row['machine']:36}"
              f"{row['megabytes_per_second']:8.0f}{row['seconds']:9.3f}{row['cpu_seconds']:8.2f}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
