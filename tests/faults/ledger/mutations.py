"""Mutants of the Lua steps, made line by line: statements left out, conditions forced, and halves of them dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
LUA = ("orchestrator/engine/lua", "orchestrator/store/lua")
READS = "GET HGET HMGET LRANGE LLEN LINDEX SCARD ZSCORE EXISTS SISMEMBER SMEMBERS ZRANGEBYSCORE TIME HKEYS HGETALL HLEN"
EFFECTS = """set add enter settle park land silence drop_lease queue_work save emit make_ready fail_with arrive expand
finish restate ring dispatch work close settled lose out_of_time table.insert ended open""".split()  # noqa: SIM905
_EFFECT = re.compile(r"(?:redis\.)?call\('(?P<command>\w+)'|(?P<name>[\w.]+)\(|fire\[")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file of the product, and what it shows."""

    path: str
    line: int  # 0: found by its text
    old: str
    new: str
    why: str
    chunk: int = 0  # storms in which it shows need steps of so many stages; 0: any

    @property
    def name(self) -> str:
        """`complete.lua:31 drop_lease(id) → nothing`."""
        place = self.path.rsplit("/", 1)[-1] + (f":{self.line}" if self.line else "")
        return f"{place} {self.why}"

    @property
    def placeless(self) -> str:
        """The same without the number of the line."""
        return f"{self.path.rsplit('/', 1)[-1]} {self.why}"

    def apply(self, root: Path) -> None:
        """Change the copy of the tree at `root`."""
        file = root / self.path
        text = file.read_text()
        if self.line:
            lines = text.split("\n")
            count = self.old.count("\n") + 1
            found = "\n".join(lines[self.line - 1 : self.line - 1 + count])
            assert found == self.old, f"{self.name}: the line has changed"
            lines[self.line - 1 : self.line - 1 + count] = [self.new]
            file.write_text("\n".join(lines))
            return
        assert text.count(self.old) == 1, f"{self.name}: found {text.count(self.old)} times in {self.path}"
        file.write_text(text.replace(self.old, self.new))


def lua_mutants(root: Path = ROOT) -> list[Mutant]:
    """All that lines alone give."""
    found: list[Mutant] = []
    for folder in LUA:
        for file in sorted((root / folder).glob("*.lua")):
            found += _of_file(f"{folder}/{file.name}", file.read_text())
    return found


def _of_file(path: str, text: str) -> Iterator[Mutant]:
    lines = text.split("\n")
    if lines[0].startswith("#!lua flags=allow-oom"):
        yield Mutant(path, 1, lines[0], "#!lua", "refused while memory is full")
    number = 0
    while number < len(lines):
        statement, count = _statement(lines, number)
        yield from _of_statement(path, number + 1, statement)
        number += count


def _statement(lines: list[str], number: int) -> tuple[str, int]:
    """A statement that goes on over several lines, as one."""
    taken = lines[number]
    count = 1
    while not taken.strip().startswith("--") and _open(taken) > 0 and number + count < len(lines) and count < 6:
        taken += "\n" + lines[number + count]
        count += 1
    return taken, count


def _open(text: str) -> int:
    bare = re.sub(r"'[^'\n]*'", "''", text)
    return bare.count("(") + bare.count("{") - bare.count(")") - bare.count("}")


def _of_statement(path: str, number: int, text: str) -> Iterator[Mutant]:
    bare, _, _ = text.partition("  --")
    code = bare.strip()
    indent = text[: len(text) - len(text.lstrip())]
    if not code or code.startswith(("--", "#!", "local function", "function", "end", "else\n", "for ", "while ")):
        return
    short = " ".join(code.split())[:70]
    single = re.fullmatch(r"(if|elseif) (.+) then (.+?)(?: end)?", code, re.DOTALL)
    block = re.fullmatch(r"(if|elseif) (.+) then", code, re.DOTALL)
    if block:
        yield from _conditions(path, number, text, indent, block.group(1), block.group(2), "")
    elif single:
        ends = " end" if code.endswith(" end") else ""
        yield from _conditions(
            path, number, text, indent, single.group(1), single.group(2), f" {single.group(3)}{ends}"
        )
    elif (code.startswith("else ") and code != "else") or code.startswith("return"):
        return
    elif _effect(code) or re.match(r"(record|fields|bell)[.\w]*(, record[.\w]*)* = ", code):
        yield Mutant(path, number, text, f"{indent}do end", f"without {short}")


def _conditions(
    path: str, number: int, text: str, indent: str, word: str, condition: str, rest: str
) -> Iterator[Mutant]:
    shown = " ".join(condition.split())[:60]
    for forced in ("true", "false"):
        yield Mutant(path, number, text, f"{indent}{word} {forced} then{rest}", f"{shown} taken for {forced}")
    for half in _halves(condition):
        yield Mutant(path, number, text, f"{indent}{word} {half} then{rest}", f"{shown} shortened to {half[:40]}")


def _halves(condition: str) -> Iterator[str]:
    """A conjunction or disjunction with one of its parts left out, where it is of one kind throughout."""
    for joint in (" and ", " or "):
        other = " or " if joint == " and " else " and "
        parts = _split(condition, joint)
        if len(parts) > 1 and all(len(_split(part, other)) == 1 for part in parts):
            for i in range(len(parts)):
                yield joint.join(parts[:i] + parts[i + 1 :])


def _split(text: str, joint: str) -> list[str]:
    parts, start = [], 0
    for match in re.finditer(re.escape(joint), text):
        if _open(text[: match.start()]) == 0:
            parts.append(text[start : match.start()])
            start = match.end()
    return [*parts, text[start:]]


def _effect(code: str) -> bool:
    found = _EFFECT.match(code)
    if found is None:
        return False
    if found.group("command"):
        return found.group("command") not in READS.split()
    return found.group("name") is None or found.group("name") in EFFECTS
