#!/usr/bin/env python3
"""Measures five real i386 programs of Debian by `switchback compare`, each in a Linux guest under every engine, with a
profile. Writes a table, and the JSON and profile of each, into a directory. `make programs` calls it."""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = os.path.join(ROOT, "guests", "programs")

# Cycles of the guest's processor in a microsecond.
MHZ = 2000

COUNT = "{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) s += n[w] * length(w); print s, NR }"
SORT = "while (<>) { $n{$_}++ for split } print join(' ', map { \"$_=$n{$_}\" } sort keys %n), \"\\n\""


def commands(data):
    return {
        "gzip": ["bin/gzip", "-9", "-n", "-c", data],
        "bzip2": ["bin/bzip2", "-c", data],
        "xz": ["usr/bin/xz", "-0", "-T1", "-c", data],
        "mawk": ["usr/bin/mawk", COUNT, data],
        "perl": ["usr/bin/perl", "-e", SORT, data],
    }


def write_data(path, size):
    """Text with a vocabulary like that of a language, always the same."""
    source = random.Random(1997)
    words = ["".join(source.choice("etaoinshrdlu") for _ in range(source.randint(2, 9))) for _ in range(3000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    with open(path, "w") as file:
        while file.tell() < size:
            file.write(" ".join(source.choices(words, weights, k=12)) + "\n")


def middle(values):
    """The median, and how far the values lie apart in parts of it."""
    median = statistics.median(values)
    return median, (max(values) - min(values)) / median


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", help="engines, separated by commas (all that compare measures)")
    parser.add_argument("--repeat", type=int, default=5, help="measured runs of each comparison (5)")
    parser.add_argument("--rounds", type=int, default=1, help="comparisons whose factors are compared in turn (1)")
    parser.add_argument("--size", type=int, default=1000000, help="bytes of text (1000000)")
    parser.add_argument("--only", help="these programs, separated by commas")
    parser.add_argument("--output", default=os.path.join(ROOT, "benchmarks/results/programs"))
    options = parser.parse_args()
    subprocess.run([os.path.join(ROOT, "scripts/fetch-guests.sh"), "programs"], check=True)
    os.makedirs(options.output, exist_ok=True)
    data = os.path.join(options.output, "data")
    write_data(data, options.size)
    failures = []
    print(f"{'program':8} {'engine':12} {'native ms':>10} {'spread':>7} {'guest ms':>10} {'spread':>7} {'factor':>7}"
          f" {'spread':>7} {'kernel':>7}", flush=True)
    for name, command in commands(data).items():
        if options.only and name not in options.only.split(","):
            continue
        rounds = {}
        for number in range(options.rounds):
            result = os.path.join(options.output, f"{name}.{number + 1}.json" if number else f"{name}.json")
            arguments = [os.path.join(ROOT, ".build/release/switchback"), "compare", "--repeat", str(options.repeat)]
            if options.engines:
                arguments += ["--engines", options.engines]
            for folder in ("lib", "usr/lib"):
                arguments += ["--library-path", os.path.join(PROGRAMS, folder, "i386-linux-gnu")]
            arguments += ["--mhz", str(MHZ), "--kernel", os.path.join(ROOT, "guests/vmlinuz-686"), "--file", data, "--json", result]
            # Each sample ends a run of direct execution: every 2 ms is often enough.
            arguments += ["--profile", os.path.join(options.output, name + ".folded"), "--profile-interval", str(2000 * MHZ)]
            arguments += ["--", os.path.join(PROGRAMS, command[0])] + command[1:]
            run = subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            if run.returncode:
                failures.append(f"{name}: {run.stderr.strip().splitlines()[-1]}")
                print(f"{name:8} failed", flush=True)
                break
            with open(result) as file:
                engines = json.load(file)["engines"]
            for engine, figures in engines.items():
                rounds.setdefault(engine, []).append(figures)
                folded = os.path.join(options.output, f"{name}.{engine}.folded")
                with open(folded) as file:
                    charged = sum(int(line.split()[-1]) for line in file)
                share = charged / (figures["all_virtual_seconds"] * MHZ * 1e6)
                if abs(share - 1) > 0.02:
                    failures.append(f"{name} under {engine}: the profile adds up to {share * 100:.1f} % of the runs")
        for engine, figures in rounds.items():
            native, _ = middle([figure["slowdown"]["native_seconds"] for figure in figures])
            guest, _ = middle([figure["seconds"]["median"] for figure in figures])
            factor, spread = middle([figure["slowdown"]["factor"] for figure in figures])
            native_spread = statistics.median(figure["native_spread"] for figure in figures)
            guest_spread = statistics.median(figure["seconds"]["spread"] for figure in figures)
            time = figures[0]["time"]
            print(f"{name:8} {engine:12} {native * 1000:10.2f} {native_spread * 100:5.1f} % {guest * 1000:10.2f}"
                  f" {guest_spread * 100:5.1f} % {factor:7.2f} {spread * 100:5.1f} %"
                  f" {time['kernel'] / sum(time.values()) * 100:5.1f} %", flush=True)
    for failure in failures:
        print(f"real: {failure}", file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
