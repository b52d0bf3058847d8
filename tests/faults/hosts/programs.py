"""Programs of the system that make and break what surrounds a host."""

from __future__ import annotations

import shutil
import subprocess

PACKAGES = {
    "cc": "gcc and libc6-dev",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "mount": "mount",
    "umount": "mount",
}


def order(*words: str, text: str | None = None) -> str:
    """Run a program of the system; its output. A failure, and one that may not do it, fails the test in one line."""
    if shutil.which(words[0]) is None:
        raise AssertionError(f"{words[0]} is missing: deploy/install-test-packages installs {PACKAGES[words[0]]}")
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        raise AssertionError(
            f"{' '.join(words)}: {said} (these tests make networks and disks of their own, so they need root, or "
            "a container with CAP_SYS_ADMIN and CAP_NET_ADMIN)"
        )
    return done.stdout
