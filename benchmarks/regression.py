#!/usr/bin/env python3
"""Compares a result of `switchback bench --json` with a baseline of factors and names what got slower.

Factors (guest time over native time) carry over between computers far better than times do. A program counts as slower
when its factor has grown by more than the tolerance beyond its own spread in the result. Of several results the median of
the factors counts. Exit status 1 if any is.
"""

import argparse
import json
import statistics
import sys


def load(path):
    try:
        with open(path) as file:
            document = json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"regression: {path}: {error}")
    if document.get("schema") == "switchback-bench-1":
        return document
    if document.get("schema") == "switchback-bench-baseline-1":
        return document
    sys.exit(f"regression: {path}: neither a bench result nor a baseline")


def factors(document):
    """{(program, engine): (factor, spread)}"""
    if document["schema"] == "switchback-bench-baseline-1":
        return {(p, e): (f, 0) for p, engines in document["factors"].items() for e, f in engines.items()}
    result = {}
    for row in document["programs"]:
        if row["suite"] == "overhead":
            continue
        for engine, cell in row["results"].items():
            if "factor" in cell:
                spread = cell["guest_seconds"]["spread"] + cell["native_seconds"]["spread"]
                result[row["program"], engine] = (cell["factor"], spread)
    return result


def middle(results):
    """The median factor and the largest spread of several results."""
    together = {}
    for result in results:
        for key, value in factors(result).items():
            together.setdefault(key, []).append(value)
    return {key: (statistics.median(factor for factor, _ in values), max(spread for _, spread in values))
            for key, values in together.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("baseline")
    parser.add_argument("result", nargs="+")
    parser.add_argument("--tolerance", type=float, default=0.2, help="part of the factor (0.2)")
    parser.add_argument("--accept", action="store_true", help="write the result's factors to the baseline")
    options = parser.parse_args()
    new = middle(load(path) for path in options.result)
    if options.accept:
        table = {}
        for (program, engine), (factor, _) in sorted(new.items()):
            table.setdefault(program, {})[engine] = round(factor, 3)
        with open(options.baseline, "w") as file:
            json.dump({"schema": "switchback-bench-baseline-1", "factors": table}, file, indent=1)
            file.write("\n")
        return
    old = factors(load(options.baseline))
    slower, missing = [], []
    for (program, engine), (before, _) in sorted(old.items()):
        if (program, engine) not in new:
            missing.append(f"{program} under {engine}: no number, was {before:.2f}")
            continue
        now, spread = new[program, engine]
        # A wide spread cannot excuse more than a doubling.
        if now > before * (1 + options.tolerance + min(spread, 1 - options.tolerance)):
            slower.append(f"{program} under {engine}: {before:.2f} -> {now:.2f}")
    compared = sum(key in new for key in old)
    for line in missing:
        print("missing:", line)
    for line in slower:
        print("slower:", line)
    print(f"{compared} factors compared, {len(slower)} slower, {len(missing)} missing")
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()
