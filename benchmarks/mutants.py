"""Plausible slips in the core, one at a time: would a test notice?

    python benchmarks/mutants.py --record                   # once: which test runs which line
    python benchmarks/mutants.py --sample 30                # 30 mutants a file, seeded
    python benchmarks/mutants.py --file _core/rows/moments.py --line 52
    python benchmarks/mutants.py --file _core/rows/moments.py --list  # all, without trying them
    python benchmarks/mutants.py --file _core/rows/dask.py --record   # the tests that are its own
    python benchmarks/mutants.py --file _core/rows/dask.py --sample 30

A mutant is one small change of a file's syntax tree, written into a copy of the package and handed
to the tests that run its lines.  Where one fails the mutant is killed.  Survivors are printed:
either a law is missing, or the mutant computes the same; then it goes, with a reason, into
`equivalent_mutants.txt`, and later runs know it.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from _covering import PACKAGE, load, record, sources
from _mutations import mutants_of
from _trial import Choice, Copy, warm_up

# Left out unless they are asked for by name: where threads are started, what is abstract, and rows
# that are another package's; and the tests, of those that are slow, that are theirs.
LEFT_OUT = {
    "_core/threads.py": ["tests/test_pool.py", "tests/test_threads.py"],
    "_core/rows/protocol.py": ["tests/test_seams.py", "tests/test_core_rows.py"],
    "_core/rows/dask.py": ["tests/test_core_rows.py", "tests/test_dask.py"],
}
CORE = [name for name in sources() if name.startswith("_core/") and name not in LEFT_OUT]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
RECORDING = Path(tempfile.gettempdir()) / "sk_momentum-tests-by-line.json"
COLUMNS = ("mutants", "killed", "timeout", "survived", "uncovered", "equivalent")


def known_equivalents():
    """{key: reason}: a line for the mutant, then indented the reason; * is any end."""
    found, key = {}, None
    for line in EQUIVALENT.read_text().splitlines():
        if line[:1].isspace() and key:
            found[key] = f"{found[key]} {line.strip()}".strip()
        elif line.strip() and not line.startswith("#"):
            key = line.strip()
            found[key] = ""
    return found


def known(mutant, equivalents):
    """Whether the mutant is in the list."""
    starts = tuple(key[:-1] for key in equivalents if key.endswith("*"))
    return mutant.key in equivalents or mutant.key.startswith(starts)


def chosen_mutants(options):
    """The mutants to try: of the files and lines asked for, a seeded sample of each file."""
    files = options.file or CORE
    chosen = []
    for file in files:
        mutants = mutants_of(file, (PACKAGE / file).read_text())
        if options.line:
            mutants = [mutant for mutant in mutants if mutant.line in options.line]
        if options.match:
            mutants = [mutant for mutant in mutants if options.match in mutant.key]
        if options.sample and options.sample < len(mutants):
            # Of each file by itself, so that a change in one leaves the others' samples.
            mutants = random.Random(f"{options.seed} {file}").sample(mutants, options.sample)
        chosen += mutants
    # Mixed, so that a run that is cut short says something of every file.
    random.Random(options.seed).shuffle(chosen)
    return chosen


def run(options):
    """Try all; print each survivor at once and the table at the end."""
    equivalents = known_equivalents()
    choice = Choice(load(options.recording), options.budget)
    counts, survivors = {}, []
    share = [m for i, m in enumerate(chosen_mutants(options)) if i % options.parts == options.part]
    warm_up()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        copy = Copy(directory)
        choice.keep(copy.tests_present())
        for number, mutant in enumerate(share, 1):
            if options.minutes and time.monotonic() - start > 60 * options.minutes:
                print(f"out of time after {number - 1} of {len(share)}")
                break
            began = time.monotonic()
            if known(mutant, equivalents):
                verdict, witness = "equivalent", None
            else:
                verdict, witness = copy.trial(mutant, choice)
                choice.killed_by(mutant, witness)
            counts.setdefault(mutant.file, Counter())[verdict] += 1
            if verdict in ("survived", "uncovered"):
                survivors.append(mutant)
                print(f"{verdict} (line {mutant.line}) {mutant.key}", flush=True)
            if options.verbose:
                seconds = time.monotonic() - began
                about = f"  {number}/{len(share)} {verdict} {seconds:.1f} s"
                print(f"{about} {mutant.key}: {witness}", flush=True)
    table(counts, equivalents)
    return survivors


def table(counts, equivalents):
    """Per file and in all: how many of the mutants that are not equivalent were killed."""
    print(f"\n{'file':<36}" + "".join(f"{name:>11}" for name in COLUMNS) + f"{'share':>9}")
    for file in [*sorted(counts), "all"]:
        count = sum(counts.values(), Counter()) if file == "all" else counts[file]
        count = Counter(count, mutants=sum(count.values()))
        killed, real = count["killed"] + count["timeout"], count["mutants"] - count["equivalent"]
        share = f"{killed / real:9.1%}" if real else f"{'-':>9}"
        print(f"{file:<36}" + "".join(f"{count[name]:>11}" for name in COLUMNS) + share)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--record", action="store_true", help="run the tests once; what follows goes to pytest")
    add("--recording", type=Path, default=RECORDING)
    add("--file", action="append", help="such as _core/rows/moments.py; the whole core by default")
    add("--line", type=int, action="append")
    add("--match", help="only mutants that hold this text")
    add("--sample", type=int, help="so many mutants of each file; all by default")
    add("--seed", type=int, default=0)
    add("--budget", type=float, default=60.0, help="seconds of tests a mutant at most")
    add("--minutes", type=float, help="end after so many")
    add("--parts", type=int, default=1, help="so many runs share the mutants")
    add("--part", type=int, default=0, help="which of them this is")
    add("--list", action="store_true", help="print the mutants instead of trying them")
    add("--verbose", action="store_true")
    add("tests", nargs="*", help="with --record: only these tests, added to the recording")
    options = parser.parse_args()
    if options.record:
        own = [test for file in options.file or () for test in LEFT_OUT.get(file, ())]
        return record(options.recording, options.tests + own)
    if options.list:
        for mutant in chosen_mutants(options):
            print(f"(line {mutant.line}) {mutant.key}")
        return None
    return 1 if run(options) else 0


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.exit(main())
