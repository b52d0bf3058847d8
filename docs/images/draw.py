"""The pictures of README.md, taken from a real run: `python docs/images/draw.py FOLDER`, in a folder nobody minds.

Runs the cancer starter there in a pseudo-terminal, draws one moment of the live tree and the end as SVG, and has
Chromium take the report's picture. The folder's path is seen in the pictures: take a neutral one, as /home/you/demo.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
CYCLERY = str(Path(sys.executable).with_name("cyclery"))
COLUMNS, LINES = 108, 60
# Rich's Live goes back over what it drew: up, and clear the line, for each line of the frame before.
REDRAWN = re.compile(r"\r?(?:\x1b\[\?25[lh])*(?:\x1b\[1A)?\x1b\[2K(?:\x1b\[1A\x1b\[2K)*|\x1b\[\?25[lh]")
WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # a picture asks nobody for anything


def typed(command: str, folder: Path) -> str:
    """What a terminal receives while a command runs."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    words = [CYCLERY, *command.split()[1:]]
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "CYCLERY_AUTHOR": "you"}
    process = subprocess.Popen(words, cwd=folder, stdin=child, stdout=child, stderr=child, env=environment)
    os.close(child)
    received = io.BytesIO()
    while True:
        try:
            received.write(os.read(parent, 65536))
        except OSError:  # the other end was closed
            break
    process.wait()
    return received.getvalue().decode().replace("\r\n", "\n")


def draw(name: str, title: str, text: str) -> None:
    """A window with this text."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    for line in [*text.rstrip().splitlines(), ""]:  # the window cuts into its last line
        console.print(Text.from_ansi(line.rstrip()), soft_wrap=True)
    svg = console.export_svg(title=title, unique_id=name)
    (HERE / f"{name}.svg").write_text(WEB_FONT.sub("", svg), encoding="utf-8")


def is_moment(frame: str) -> bool:
    """Whether a frame shows trials half-way."""
    found = re.search(r"(\d+)/15", frame)
    return found is not None and 8 <= int(found[1]) <= 11 and "left" in frame


def photograph(report: Path) -> None:
    """The upper part of a report, by day and at night."""
    program = next(path for name in ("chromium", "google-chrome") if (path := shutil.which(name)))
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program)
        for scheme, name in (("light", "report"), ("dark", "report-dark")):
            page = browser.new_page(viewport={"width": 1100, "height": 1240}, color_scheme=scheme)
            page.goto(report.as_uri())
            page.screenshot(path=HERE / f"{name}.png")
        browser.close()


def main(folder: Path) -> None:
    """Run, draw, and take the stack down."""
    subprocess.run([CYCLERY, "init", "--example", "cancer"], cwd=folder, check=True)
    command = "cyclery run cancer.yaml"
    frames = [frame for frame in REDRAWN.split(typed(command, folder)) if frame.strip()]
    subprocess.run([CYCLERY, "down"], cwd=folder, check=True)
    prompt = f"\x1b[1m$ {command}\x1b[0m\n"
    prompt += "".join(line + "\n" for line in frames[0].splitlines() if line.startswith("Starting"))
    draw("running", "while it runs", prompt + next(frame for frame in frames if is_moment(frame)))
    draw("ended", "when it has ended", prompt + frames[-1])
    said = re.sub(r"\x1b\[[0-9;]*m", "", frames[-1])
    photograph(Path(re.search(r"^Report: (.*?)$", said, re.MULTILINE)[1]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
