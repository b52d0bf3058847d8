"""Inputs near those of a corpus, for Hypothesis; how many are drawn is said by the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
DEEP = EXAMPLES > 25

# In `make test` the same examples each time, so that nobody's change meets another one's luck.
SETTINGS = settings(
    max_examples=EXAMPLES,
    derandomize=not DEEP,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

# What readers of text, numbers and JSON stumble over.
TOKENS = (
    *(
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\t",
        b'"',
        b"'",
        b"`",
        b"\\",
        b"\x1b[31m",
        b"\xc2\x85",
    ),
    *(b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\\ud800", b"\xf0\x9d\x94\x98", b"\xd9\xa3", b"%%%", b"\n%%%\n"),
    *(b"NaN", b"Infinity", b"-0", b"1e999", b"9" * 400, b"-9223372036854775809", b"18446744073709551616", b"0x1F"),
    *(b"null", b"true", b"[]", b"{}", b'""', b"[" * 60, b"{" * 60, b'{"a":' * 2000, b"[" * 100_000),
    *(b"${NAME}", b"${", b"$$", b"&a", b"*a", b"!!python/object", b"---", b": ", b"- ", b"#", b"=", b"@", b"../", b"/"),
    *(
        b"0001-01-01",
        b"9999-12-31",
        b"2024-02-30",
        b"A" * 5000,
        b"1" * 50,
        b",,",
        b"\x80\x04\x95",
        b"PK\x03\x04",
        b"PAR1",
    ),
)


@st.composite
def near(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """A seed with pieces of it, or of another one, put elsewhere; now and then bytes of no origin."""
    found = bytearray(draw(st.one_of(st.sampled_from(seeds), st.binary(max_size=300))))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(found)))
        end = min(len(found), start + draw(st.one_of(st.just(0), st.integers(0, 16), st.integers(0, len(found)))))
        found[start:end] = draw(_piece(seeds))
    return bytes(found)


def _piece(seeds: Sequence[bytes]) -> SearchStrategy[bytes]:
    part = st.builds(
        lambda seed, start, length: seed[start : start + length],
        st.sampled_from(seeds), st.integers(0, 400), st.integers(0, 40),
    )  # fmt: skip
    return st.one_of(st.just(b""), st.sampled_from(TOKENS), part, st.binary(max_size=8))
