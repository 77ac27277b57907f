#!/usr/bin/env python3
"""Measures the programs in benchmarks/programs natively and inside the same i386 Linux guest under
Switchback (each engine), Bochs and QEMU's TCG, and prints the slowdown against native per unit of work.

Every program brackets its work with BEGIN and END lines on the serial line. They get the host's time
stamps as they arrive, so it does not matter what a guest believes the time to be. Checksums must agree.
"""

import argparse
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
KERNEL = os.path.join(ROOT, "guests", "vmlinuz-686")
BENCH = os.path.join(HERE, "build", "bench")
BUSYBOX = os.path.join(ROOT, "guests", "busybox")

PROGRAMS = """sieve fib crc32 matmul_x87 matmul_sse2 nbody_x87 nbody_sse2 qsort calls dispatch repmovs
loopcopy bytecode adc strings tree getppid pipe fork exec pagefault mmap switch20 fileio""".split()
# What is named in the project's goal against Bochs.
CORE = """sieve fib crc32 matmul_x87 matmul_sse2 nbody_x87 nbody_sse2 qsort repmovs getppid fork
exec""".split()
# Units of work per measurement: a unit takes about a millisecond natively, much longer elsewhere.
WORK = {"native": 200, "translator": 200, "qemu": 20, "interpreter": 10, "bochs": 5}

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
  for program in $list; do /bench/$program $work; done
  repeat=$((repeat - 1))
done
echo ALL-DONE
/bin/busybox poweroff -f
"""

END = re.compile(r"END (\w+) (\d+) ([0-9a-f]{8}) ([0-9.]+)")
BEGIN = re.compile(r"BEGIN (\w+) (\d+)")


class Failure(Exception):
    pass


def make_initramfs(path, programs):
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
    with open(BENCH, "rb") as file:
        entry("bench/bench", 0o100755, file.read())
    for program in programs:
        entry("bench/" + program, 0o120777, b"bench")
    entry("TRAILER!!!", 0)
    with open(path, "wb") as file:
        file.write(out)


def processor_seconds(process):
    """The time that all threads of a process have run."""
    total = 0
    folder = f"/proc/{process}/task"
    for task in os.listdir(folder):
        with open(os.path.join(folder, task, "schedstat")) as file:
            total += int(file.read().split()[0])
    return total * 1e-9


class Observer:
    """Turns serial output into measurements."""

    def __init__(self, verbose, processor_time):
        self.verbose = verbose
        self.processor_time = processor_time
        self.process = None
        self.begin = None
        self.results = []
        self.done = False
        self.tail = []
        self.rest = b""

    def feed(self, data):
        now = processor_seconds(self.process) if self.processor_time else time.monotonic()
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            self.line(line.decode(errors="replace").rstrip("\r"), now)

    def line(self, text, now):
        if self.verbose:
            print("   |", text, file=sys.stderr)
        self.tail = (self.tail + [text])[-15:]
        if BEGIN.search(text):
            self.begin = now
        match = END.search(text)
        if match and self.begin is not None:
            name, work, checksum, _ = match.groups()
            self.results.append((name, int(work), checksum, now - self.begin))
            self.begin = None
        if "ALL-DONE" in text:
            self.done = True


def command_line(engine, programs, repeat):
    return (
        "console=ttyS0 quiet mitigations=off panic=-1 "
        f"bench.work={WORK[engine]} bench.repeat={repeat} bench.list={','.join(programs)}"
    )


def observe(command, descriptor, observer, limit):
    """Runs a command until the guest is done; its serial line is read from `descriptor`."""
    deadline = time.monotonic() + limit
    observer.process = command.pid
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
                raise Failure(f"no end after {limit} s")
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


def run_native(options, folder, observer):
    for _ in range(options.repeat):
        for program in options.programs:
            for work in sorted({WORK[engine] for engine in options.engines}):
                command = subprocess.Popen(
                    [program, str(work)], executable=BENCH, stdout=subprocess.PIPE
                )
                observer.process = command.pid
                while data := os.read(command.stdout.fileno(), 65536):
                    observer.feed(data)
                if command.wait() != 0:
                    raise Failure(f"{program} failed natively")


def run_qemu(options, folder, observer):
    run_pipe(
        ["qemu-system-i386", "-accel", "tcg", "-m", "256", "-nographic", "-no-reboot", "-nodefaults"]
        + ["-serial", "stdio", "-kernel", KERNEL, "-initrd", os.path.join(folder, "initrd")]
        + ["-append", command_line("qemu", options.programs, options.repeat)],
        observer,
        options.limit,
    )


def run_switchback(engine):
    def run(options, folder, observer):
        run_pipe(
            [options.switchback, "run", "--engine", engine, "-m", "256M", "--kernel", KERNEL]
            + ["--initrd", os.path.join(folder, "initrd"), "--serial", "stdio", "--display", "none", "--mhz", "2000"]
            + ["--append", command_line(engine, options.programs, options.repeat)],
            observer,
            options.limit,
        )

    return run


def run_bochs(options, folder, observer):
    """Bochs has no Linux loader: the kernel lies on a CD with isolinux."""
    tree = os.path.join(folder, "cd")
    os.makedirs(os.path.join(tree, "isolinux"))
    shutil.copy(KERNEL, os.path.join(tree, "kernel"))
    shutil.copy(os.path.join(folder, "initrd"), os.path.join(tree, "initrd"))
    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", os.path.join(tree, "isolinux"))
    shutil.copy("/usr/lib/syslinux/modules/bios/ldlinux.c32", os.path.join(tree, "isolinux"))
    with open(os.path.join(tree, "isolinux", "isolinux.cfg"), "w") as file:
        append = command_line("bochs", options.programs, options.repeat)
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


RUNNERS = {
    "native": run_native,
    "interpreter": run_switchback("interpreter"),
    "translator": run_switchback("translator"),
    "bochs": run_bochs,
    "qemu": run_qemu,
}
NEEDS = {
    "bochs": ["/usr/bin/bochs", "/usr/lib/ISOLINUX/isolinux.bin", "/usr/bin/xorriso"],
    "qemu": ["/usr/bin/qemu-system-i386"],
}


def measure(options):
    """Returns {engine: {program: [(work, seconds)]}} and complains about wrong checksums."""
    measured, expected, wrong = {}, {}, []
    with tempfile.TemporaryDirectory(prefix="bench-") as top:
        for engine in options.engines:
            folder = os.path.join(top, engine)
            os.mkdir(folder)
            if engine != "native":
                make_initramfs(os.path.join(folder, "initrd"), options.programs)
            print(f"peers: {engine} ...", file=sys.stderr, flush=True)
            observer = Observer(options.verbose, options.cpu_time)
            try:
                RUNNERS[engine](options, folder, observer)
            except Failure as failure:
                print(f"peers: {engine}: {failure}", file=sys.stderr)
            results = measured.setdefault(engine, {})
            for name, work, checksum, seconds in observer.results:
                if engine == "native":
                    expected[name, work] = checksum
                elif expected.get((name, work)) != checksum:
                    wrong.append(f"{name} {work} under {engine}: {checksum}, native {expected.get((name, work))}")
                    continue
                results.setdefault(name, []).append((work, seconds))
    return measured, wrong


def per_unit(samples, work):
    """Median time of a unit of work among the samples with that much work."""
    values = [seconds / units for units, seconds in samples if units == work]
    return statistics.median(values) if values else None


def geometric_mean(values):
    values = [value for value in values if value]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def report(options, measured):
    guests = [engine for engine in options.engines if engine != "native"]
    rows = []
    for name in options.programs:
        native = per_unit(measured["native"].get(name, []), WORK["native"])
        row = {"program": name, "native_ms_per_unit": native and native * 1e3}
        for engine in guests:
            unit = per_unit(measured[engine].get(name, []), WORK[engine])
            row[engine] = unit / native if unit and native else None
        rows.append(row)

    def shown(value):
        return f"{value:>11.2f}x" if value else f"{'-':>12}"

    print(f"{'program':<12}{'native ms':>10}" + "".join(f"{engine:>12}" for engine in guests))
    for row in rows:
        native = row["native_ms_per_unit"]
        cells = "".join(shown(row[engine]) for engine in guests)
        print(f"{row['program']:<12}" + (f"{native:>10.3f}" if native else f"{'-':>10}") + cells)
    means = {}
    for title, names in (("mean", PROGRAMS), ("core mean", CORE)):
        # Only programs that every engine completed, so that the means compare.
        complete = [r for r in rows if r["program"] in names and all(r[e] for e in guests)]
        means[title] = {e: geometric_mean([r[e] for r in complete]) for e in guests}
        cells = "".join(shown(means[title][engine]) for engine in guests)
        print(f"{title:<12}{len(complete):>7} of" + cells)
    for peer in ("bochs", "qemu"):
        for engine in ("interpreter", "translator"):
            if peer in guests and engine in guests and means["core mean"][engine]:
                ratio = means["core mean"][peer] / means["core mean"][engine]
                print(f"{engine}: {ratio:.2f} times as fast as {peer} (geometric mean of the core programs)")
    return {"schema": 1, "work": WORK, "repeat": options.repeat, "rows": rows, "means": means}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="native,interpreter,translator,bochs,qemu")
    parser.add_argument("--programs", default=",".join(PROGRAMS))
    parser.add_argument("--repeat", type=int, default=3, help="measurements per program (3)")
    parser.add_argument("--limit", type=int, default=1800, help="seconds per engine (1800)")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--switchback", default=os.path.join(ROOT, ".build/release/switchback"))
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="measure the processes' CPU time: honest on a busy machine, but blind to a program's children",
    )
    parser.add_argument("--verbose", action="store_true", help="show what guests print")
    options = parser.parse_args()
    options.programs = options.programs.split(",")
    for program in options.programs:
        if program not in PROGRAMS:
            parser.error(f"unknown program {program}; there are {' '.join(PROGRAMS)}")
    wanted = ["native"] + [e for e in options.engines.split(",") if e != "native"]
    for engine in wanted:
        if engine not in RUNNERS:
            parser.error(f"unknown engine {engine}; there are {' '.join(RUNNERS)}")
    needs = dict(NEEDS, interpreter=[options.switchback], translator=[options.switchback])
    options.engines = []
    for engine in wanted:
        missing = [path for path in needs.get(engine, []) if not os.path.exists(path)]
        if missing:
            print(f"peers: without {engine}: {', '.join(missing)} missing", file=sys.stderr)
        else:
            options.engines.append(engine)
    for path in (KERNEL, BUSYBOX):
        if not os.path.exists(path):
            sys.exit(f"peers: {path} is missing: run scripts/fetch-guests.sh")
    subprocess.run(
        ["make", "-s", "-C", os.path.join(HERE, "programs"), f"OUT={os.path.join(HERE, 'build')}"],
        check=True,
    )
    measured, wrong = measure(options)
    result = report(options, measured)
    for line in wrong:
        print("peers: wrong checksum:", line, file=sys.stderr)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(dict(result, wrong=wrong), file, indent=1)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
