#!/usr/bin/env python3
"""Runs benchmark programs in a Linux guest on another simulator (QEMU's TCG or Bochs) for `switchback bench --against`.

Every program brackets its work with BEGIN and END lines on the serial line. They get the host's time stamps as they
arrive, so it does not matter what a guest believes the time to be. For each run one line is printed: program, work,
checksum, seconds.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BUSYBOX = os.path.join(ROOT, "guests", "busybox")

INIT = r"""#!/bin/sh
/bin/busybox mkdir -p /proc /sys /tmp
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t tmpfs none /tmp
for word in $(/bin/busybox cat /proc/cmdline); do
  case $word in
    bench.list=*) list=${word#bench.list=} ;;
    bench.repeat=*) repeat=${word#bench.repeat=} ;;
    bench.work=*) work=${word#bench.work=} ;;
  esac
done
export IFS=,
while [ "${repeat:-1}" -gt 0 ]; do
  for program in $list; do /bench/bench $program $work; done
  repeat=$((repeat - 1))
done
echo ALL-DONE
/bin/busybox poweroff -f
"""

END = re.compile(r"END (\w+) (\d+) ([0-9a-f]{8}) ([0-9.]+)")
BEGIN = re.compile(r"BEGIN (\w+) (\d+)")


class Failure(Exception):
    pass


def make_initramfs(path, bench):
    """Writes a cpio archive in the newc format; device nodes need no privilege that way."""
    out = bytearray()
    number = 0

    def entry(name, mode, data=b"", device=(0, 0)):
        nonlocal number
        number += 1
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, device[0], device[1], len(name) + 1, 0]
        out.extend(b"070701" + b"".join(b"%08X" % field for field in fields))
        out.extend(name.encode() + b"\0")
        out.extend(b"\0" * (-len(out) % 4))
        out.extend(data)
        out.extend(b"\0" * (-len(out) % 4))

    for folder in ("dev", "bin", "bench", "proc", "sys", "tmp"):
        entry(folder, 0o40755)
    entry("dev/console", 0o20600, device=(5, 1))
    entry("dev/null", 0o20666, device=(1, 3))
    with open(BUSYBOX, "rb") as file:
        entry("bin/busybox", 0o100755, file.read())
    entry("bin/sh", 0o120777, b"busybox")
    entry("init", 0o100755, INIT.encode())
    with open(bench, "rb") as file:
        entry("bench/bench", 0o100755, file.read())
    entry("TRAILER!!!", 0)
    with open(path, "wb") as file:
        file.write(out)


class Observer:
    """Turns serial output into measurements."""

    def __init__(self):
        self.begin = None
        self.done = False
        self.tail = []
        self.rest = b""

    def feed(self, data):
        now = time.monotonic()
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            self.line(line.decode(errors="replace").rstrip("\r"), now)

    def line(self, text, now):
        self.tail = (self.tail + [text])[-15:]
        if BEGIN.search(text):
            self.begin = now
        match = END.search(text)
        if match and self.begin is not None:
            name, work, checksum, _ = match.groups()
            print(name, work, checksum, f"{now - self.begin:.6f}", flush=True)
            self.begin = None
        if "ALL-DONE" in text:
            self.done = True


def command_line(options):
    return (
        "console=ttyS0 quiet mitigations=off panic=-1 "
        f"bench.work={options.work} bench.repeat={options.repeat} bench.list={options.programs}"
    )


def observe(command, descriptor, observer, limit):
    """Runs a command until the guest is done; its serial line is read from `descriptor`."""
    deadline = time.monotonic() + limit
    os.set_blocking(descriptor, False)
    try:
        while not observer.done:
            try:
                data = os.read(descriptor, 65536)
            except BlockingIOError:
                data = None
            if data:
                observer.feed(data)
            elif data is None or command.poll() is None:
                time.sleep(0.0005)
            if data in (b"", None) and command.poll() is not None and not data:
                break
            if time.monotonic() > deadline:
                raise Failure(f"no end after {limit} s:\n    " + "\n    ".join(observer.tail))
    finally:
        if command.poll() is None:
            command.kill()
        command.wait()
    if not observer.done:
        raise Failure("stopped early:\n    " + "\n    ".join(observer.tail))


def run_pipe(arguments, observer, limit):
    command = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    observe(command, command.stdout.fileno(), observer, limit)


def run_qemu(options, folder, observer):
    run_pipe(
        ["qemu-system-i386", "-accel", "tcg", "-m", "256", "-nographic", "-no-reboot", "-nodefaults"]
        + ["-serial", "stdio", "-kernel", options.kernel, "-initrd", os.path.join(folder, "initrd")]
        + ["-append", command_line(options)],
        observer,
        options.limit,
    )


def run_bochs(options, folder, observer):
    """Bochs has no Linux loader: the kernel lies on a CD with isolinux."""
    tree = os.path.join(folder, "cd")
    os.makedirs(os.path.join(tree, "isolinux"))
    shutil.copy(options.kernel, os.path.join(tree, "kernel"))
    shutil.copy(os.path.join(folder, "initrd"), os.path.join(tree, "initrd"))
    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", os.path.join(tree, "isolinux"))
    shutil.copy("/usr/lib/syslinux/modules/bios/ldlinux.c32", os.path.join(tree, "isolinux"))
    with open(os.path.join(tree, "isolinux", "isolinux.cfg"), "w") as file:
        append = command_line(options)
        file.write("DEFAULT linux\nPROMPT 0\nTIMEOUT 1\nLABEL linux\n  KERNEL /kernel\n")
        file.write(f"  APPEND initrd=/initrd {append}\n")
    image = os.path.join(folder, "cd.iso")
    subprocess.run(
        ["xorriso", "-as", "mkisofs", "-quiet", "-o", image, "-b", "isolinux/isolinux.bin"]
        + ["-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    serial = os.path.join(folder, "serial")
    os.mkfifo(serial)
    configuration = os.path.join(folder, "bochsrc")
    with open(configuration, "w") as file:
        file.write(
            f"""display_library: rfb, options="timeout=0"
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
megs: 256
cpu: count=1, ips=50000000, reset_on_triple_fault=0
clock: sync=none
ata0-master: type=cdrom, path={image}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={serial}
log: {os.path.join(folder, "bochs.log")}
panic: action=fatal
error: action=ignore
info: action=ignore
speaker: enabled=0
sound: driver=dummy
"""
        )
    # Debian's build has the debugger in it, which waits for a command.
    commands = os.path.join(folder, "commands")
    with open(commands, "w") as file:
        file.write("continue\n")
    reader = os.open(serial, os.O_RDONLY | os.O_NONBLOCK)
    command = subprocess.Popen(
        ["bochs", "-q", "-f", configuration, "-rc", commands],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        observe(command, reader, observer, options.limit)
    finally:
        os.close(reader)


RUNNERS = {"bochs": run_bochs, "qemu": run_qemu}
NEEDS = {
    "bochs": ["/usr/bin/bochs", "/usr/lib/ISOLINUX/isolinux.bin", "/usr/bin/xorriso"],
    "qemu": ["/usr/bin/qemu-system-i386"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", choices=sorted(RUNNERS), required=True)
    parser.add_argument("--bench", required=True, help="the binary with all programs")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--programs", required=True, help="names, separated by commas")
    parser.add_argument("--work", type=int, required=True, help="units of work in a run")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each program (3)")
    parser.add_argument("--limit", type=int, default=1800, help="seconds (1800)")
    options = parser.parse_args()
    for path in NEEDS[options.peer] + [options.kernel, options.bench, BUSYBOX]:
        if not os.path.exists(path):
            sys.exit(f"{path} is missing")
    # The peers have threads of their own: they may use every processor.
    os.sched_setaffinity(0, range(os.cpu_count()))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        make_initramfs(os.path.join(folder, "initrd"), options.bench)
        try:
            RUNNERS[options.peer](options, folder, Observer())
        except Failure as failure:
            sys.exit(f"{options.peer}: {failure}".replace("\n", " | "))


if __name__ == "__main__":
    main()
