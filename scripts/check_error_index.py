#!/usr/bin/env python3
"""Checks that src/docs/errors.md, the index of error messages, is about the sources as they are.

An entry is a row of a table whose first cell quotes a message in backquotes; "..." in it stands for
what the program fills in. Sections are called "Exit code N: ...". What this guarantees:
  - each quoted message is in the sources: one statement has its fixed parts, in order, in string
    literals (adjacent literals are one; "{}" of a format is a gap). Messages of the option parser
    are looked for in CLI11's headers as well;
  - it stands under the exit code that the statement's ErrorCode has in cli/exit_code.h, where it
    names one;
  - each exit code of cli/exit_code.h but 0 has its section;
  - each source file that refuses with a text of its own has an entry for every ErrorCode that its
    statements name, and at least one where helpers name it. Kernels and derivatives count as one.
It does not guarantee an entry for each message: those of one file are mostly one family.

Prints each violation. Exit code: 0 none, 1 some.
Usage: check_error_index.py [ROOT]    ROOT: the project's folder, by default the one this script is in
"""

import pathlib
import re
import sys

CLI11 = pathlib.Path("/usr/include/CLI")
GAP = "\0"
# Tokens that matter: comments and literals first, so that nothing inside them is taken for more.
TOKEN = re.compile(r'''//[^\n]*|/\*.*?\*/|R"\((.*?)\)"|"((?:[^"\\\n]|\\.)*)"
                       |(?<!\w)'(?:[^'\\\n]|\\[^\n]+?)'|[;{}]''', re.DOTALL | re.VERBOSE)
NORETURN = re.compile(r"\[\[noreturn\]\]\s+(?:inline\s+)?void\s+(\w+)\(")
CODE = re.compile(r"ErrorCode::(k\w+)")
EXIT = re.compile(r"\b(k\w+) = (\d+)")
MAPPED = re.compile(r"((?:case ErrorCode::k\w+:\s*)+)return (k\w+);")
# What it finds wrong is a mistake of ours, which no input can cause.
UNSEEN = {"src/rounding/quadratic_problem.cc"}
FAMILIES = ("src/runtime/kernels", "src/runtime/gradients")
# Two words at least: a text, not a name.
TEXT = re.compile(r"[A-Za-z]{2,}[ ,:]+[a-z-]+")


class Statement:
    """A piece of source between semicolons and braces: its code, and what its literals say."""

    def __init__(self, file, code, said):
        self.file = file
        self.code = code
        self.said = said
        self.error_codes = CODE.findall(code)

    def says(self, message):
        """Whether the fixed parts of `message` follow each other in the literals."""
        at = 0
        for part in message.split("..."):
            at = self.said.find(part.strip(), at)
            if at < 0:
                return False
            at += len(part.strip())
        return True


def statements_of(path, file):
    source = path.read_text(encoding="utf-8")
    found, code, said, end = [], "", "", 0
    for token in TOKEN.finditer(source):
        between = source[end:token.start()]
        end = token.end()
        code += between
        text = token.group(0)
        if text.startswith(("//", "/*")):
            continue
        literal = token.group(2) if token.group(2) is not None else token.group(1)
        if literal is None:
            if text in ";{}":
                if said:
                    found.append(Statement(file, code, said))
                code, said = "", ""
            continue
        if between.strip():
            said += GAP
        literal = re.sub(r"\{[^{}]*\}", GAP, literal)
        said += literal.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
    return found


def entries_of(page):
    """(line, exit code, message) of every quoted message; and the exit codes of all sections."""
    entries, sections, code = [], set(), None
    for number, line in enumerate(page.splitlines(), 1):
        heading = re.match(r"## (?:Exit code (\d+))?", line)
        if heading and not line.startswith("###"):
            code = int(heading.group(1)) if heading.group(1) else None
            sections.add(code)
        if code is None or not line.startswith("| `"):
            continue
        cell = re.split(r"(?<!\\)\|", line)[1]
        for message in re.findall(r"`([^`]+)`", cell):
            entries.append((number, code, message.replace("\\|", "|")))
    return entries, sections


def unit_of(file):
    for family in FAMILIES:
        if file.startswith(family):
            return family
    return file


def main():
    default = pathlib.Path(__file__).parent.parent
    root = (pathlib.Path(sys.argv[1]) if len(sys.argv) == 2 else default).resolve()
    page = root / "src/docs/errors.md"
    sources = sorted(path for path in (root / "src").rglob("*") if path.suffix in (".h", ".cc"))
    statements = [statement for path in sources
                  for statement in statements_of(path, str(path.relative_to(root)))]
    foreign = [statement for path in sorted(CLI11.glob("*.hpp"))
               for statement in statements_of(path, str(path))]

    exit_source = (root / "src/cli/exit_code.h").read_text(encoding="utf-8")
    exit_codes = {name: int(code) for name, code in EXIT.findall(exit_source)}
    exit_of = {name: exit_codes[mapped] for cases, mapped in MAPPED.findall(exit_source)
               for name in CODE.findall(cases)}

    violations = []
    entries, sections = entries_of(page.read_text(encoding="utf-8"))
    for name, code in exit_codes.items():
        if code != 0 and code not in sections:
            violations.append(f"errors.md: no section for exit code {code} ({name})")
    covered = set()  # (unit, exit code)
    for line, code, message in entries:
        saying = [statement for statement in statements if statement.says(message)]
        if not saying and not any(statement.says(message) for statement in foreign):
            violations.append(f"errors.md:{line}: no statement says '{message}'")
        for statement in saying:
            covered.add((unit_of(statement.file), code))
        stated = {exit_of[name] for statement in saying for name in statement.error_codes}
        if stated and code not in stated and all(statement.error_codes for statement in saying):
            violations.append(f"errors.md:{line}: '{message}' ends with exit code "
                              f"{', '.join(map(str, sorted(stated)))}, not {code}")

    helpers = {name for path in sources
               for name in NORETURN.findall(path.read_text(encoding="utf-8"))}
    call = re.compile(r"\b(?:" + "|".join(sorted(helpers)) + r"|require)\(")
    wanted = {}
    for statement in statements:
        if not TEXT.search(statement.said):
            continue
        unit = unit_of(statement.file)
        if unit in UNSEEN:
            continue
        for name in statement.error_codes:
            wanted.setdefault((unit, exit_of[name]), statement.said)
        if not statement.error_codes and call.search(statement.code):
            wanted.setdefault((unit, None), statement.said)
    for (unit, code), said in sorted(wanted.items(), key=str):
        if (unit, code) in covered or (code is None and unit in {name for name, _ in covered}):
            continue
        under = "" if code is None else f" under exit code {code}"
        violations.append(f"{unit}: no entry{under} for its messages, such as "
                          f"'{said.replace(GAP, '...')}'")
    for violation in violations:
        print(violation)
    print(f"{len(entries)} messages, {len(violations)} violations", file=sys.stderr)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
