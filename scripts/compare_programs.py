#!/usr/bin/env python3
"""Times two builds of adaround on the same work, alternately: the median of user CPU seconds.

  scripts/compare_programs.py A B [--repeats N] -- quantize MODEL --calib CALIB ...

Both write to a scratch folder. Prints each run, the medians and what B takes of A's time.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile


def user_seconds(command):
    """Runs the command to its end; CPU seconds that it spent outside the kernel."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"exit code {process.returncode}: {' '.join(command)}")
    return usage.ru_utime


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=pathlib.Path)
    parser.add_argument("b", type=pathlib.Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("quantize", nargs="+", help="the command and its options, behind --")
    arguments = parser.parse_args()
    programs = [arguments.a.resolve(), arguments.b.resolve()]
    seconds = [[], []]
    with tempfile.TemporaryDirectory() as scratch:
        for repeat in range(arguments.repeats):
            for program, spent in zip(programs, seconds):
                spent.append(user_seconds([str(program), *arguments.quantize, "--output",
                                           f"{scratch}/out", "--force", "-q", "-j", "1"]))
            print(f"{repeat + 1}: A {seconds[0][-1]:.2f} s, B {seconds[1][-1]:.2f} s", flush=True)
    a, b = map(statistics.median, seconds)
    print(f"median: A {a:.2f} s, B {b:.2f} s; B takes {b / a:.3f} of A")


if __name__ == "__main__":
    main()
