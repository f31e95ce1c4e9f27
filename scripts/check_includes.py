#!/usr/bin/env python3
"""Checks that the folders of src/ and include/ keep their written dependency order.

    cli -> pipeline -> {rounding, runtime, io, report} -> model -> {quant, graph} -> tensor -> base

A folder may include itself and what stands to its right; names in one brace never include each
other. Besides:
  - src/cli includes public headers ("adaround/...") and its own ("cli/...") only;
  - public headers include public headers and the standard library only;
  - an included project header exists, and is named from its root ("component/x.h");
  - every header says #pragma once;
  - file names are unique across src and include (x.h and x.cc are two names).

Prints each violation as file:line: message. Exit code: 0 none, 1 some, 2 no such tree.
Usage: check_includes.py [ROOT]    ROOT: the project's folder, by default the one this script is in
"""

import pathlib
import re
import sys

# From the lowest to the highest; the folders of one row never include each other.
LEVELS = [
    ["base"],
    ["tensor"],
    ["quant", "graph"],
    ["model"],
    ["rounding", "runtime", "io", "report"],
    ["pipeline"],
    ["cli"],
]
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]*)[>"]')
PRAGMA_ONCE = re.compile(r"^\s*#\s*pragma\s+once\s*$")
# The C++ standard library's headers have neither a folder nor an ending.
STANDARD_HEADER = re.compile(r"^[a-z0-9_]+$")
PUBLIC_ROOT = "adaround"


def order_violation(component, target):
    """Why `component` may not include a header of `target`, or None where it may."""
    if component == target or LEVEL_OF[target] < LEVEL_OF[component]:
        return None
    if LEVEL_OF[target] == LEVEL_OF[component]:
        return f"{component} and {target} never include each other"
    return f"{component} comes below {target}, which it includes"


class Checker:
    """Collects the violations of one project folder."""

    def __init__(self, root):
        self.root = root
        self.violations = []

    def add(self, path, line, message):
        self.violations.append((str(path.relative_to(self.root)), line, message))

    def run(self):
        """Checks every source file; returns how many there were."""
        public = self.root / "include" / PUBLIC_ROOT
        sources = [(path, path.relative_to(self.root / "src"), False)
                   for path in self.code_files(self.root / "src")]
        sources += [(path, path.relative_to(public), True) for path in self.code_files(public)]
        for path, inside, is_public in sources:
            self.check_file(path, inside, is_public)
        # A header outside include/adaround would be installed under a name that may clash.
        for path in self.code_files(self.root / "include"):
            if public not in path.parents:
                self.add(path, 1, f"a public header lies in include/{PUBLIC_ROOT}/COMPONENT")
        self.check_unique_names([path for path, _, _ in sources])
        self.violations.sort()
        return len(sources)

    @staticmethod
    def code_files(folder):
        return sorted(path for path in folder.rglob("*") if path.suffix in (".h", ".cc"))

    def check_file(self, path, inside, is_public):
        component = inside.parts[0] if len(inside.parts) > 1 else ""
        if component not in LEVEL_OF:
            self.add(path, 1, "lies in none of the folders " + ", ".join(sorted(LEVEL_OF)))
            return
        if is_public and path.suffix != ".h":
            self.add(path, 1, "include/ holds headers only")
        lines = path.read_text(encoding="utf-8").splitlines()
        if path.suffix == ".h" and not any(PRAGMA_ONCE.match(line) for line in lines):
            self.add(path, 1, "header without #pragma once")
        for number, line in enumerate(lines, 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            is_quoted, name = found.group(1) == '"', found.group(2)
            message = (self.quoted_violation(component, is_public, name) if is_quoted
                       else self.angled_violation(is_public, name))
            if message:
                self.add(path, number, message)

    def quoted_violation(self, component, is_public, name):
        """Why a file of `component` may not say #include "name", or None where it may."""
        parts = name.split("/")
        names_public = parts[0] == PUBLIC_ROOT
        if names_public:
            parts = parts[1:]
        target = parts[0]
        if len(parts) < 2 or target not in LEVEL_OF or ".." in parts:
            return (f'"{name}" is not named from its root, as "component/x.h" or '
                    f'"{PUBLIC_ROOT}/component/x.h"')
        if not (self.root / ("include" if names_public else "src") / name).is_file():
            return f'"{name}" does not exist'
        if is_public and not names_public:
            return f'a public header includes the private "{name}"'
        if component == "cli" and target != "cli" and not names_public:
            return f'the command line uses public headers only, not "{name}"'
        message = order_violation(component, target)
        return message and f'"{name}": {message}'

    @staticmethod
    def angled_violation(is_public, name):
        """Why a file may not say #include <name>, or None where it may."""
        if name.split("/")[0] in LEVEL_OF or name.startswith(PUBLIC_ROOT + "/"):
            return f"<{name}> is a header of the project: write it in quotes"
        if is_public and not STANDARD_HEADER.match(name):
            return f"a public header includes <{name}>, which is not the standard library's"
        return None

    def check_unique_names(self, paths):
        first = {}
        for path in paths:
            other = first.setdefault(path.name, path)
            if other is not path:
                self.add(path, 1, f"has the name of {other.relative_to(self.root)}")


def main():
    if len(sys.argv) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    default = pathlib.Path(__file__).parent.parent
    root = (pathlib.Path(sys.argv[1]) if len(sys.argv) == 2 else default).resolve()
    checker = Checker(root)
    num_files = checker.run()
    if num_files == 0:
        print(f"{root}: no source files under src/ and include/{PUBLIC_ROOT}/", file=sys.stderr)
        return 2
    for path, line, message in checker.violations:
        print(f"{path}:{line}: {message}")
    print(f"{num_files} files, {len(checker.violations)} violations", file=sys.stderr)
    return 1 if checker.violations else 0


if __name__ == "__main__":
    sys.exit(main())
