"""Every input of the corpus through its target; and inputs near them, drawn the same way each time."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from hypothesis import given

from tests.fuzz.targets import CORPUS, TARGETS
from tests.fuzz.variations import SETTINGS, near

INPUTS: dict[str, list[Path]] = {name: sorted((CORPUS / name).iterdir()) for name in TARGETS}

# What a library warns of in the midst of garbage is no answer.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_of_the_corpus_gives_a_result_or_a_clear_error(name: str) -> None:
    broken = [f"{path.name}: {why}" for path in INPUTS[name] if (why := broken_by(name, path.read_bytes()))]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("name", TARGETS)
def test_so_do_inputs_near_them(name: str) -> None:
    @SETTINGS
    @given(near([path.read_bytes() for path in INPUTS[name]]))
    def try_them(data: bytes) -> None:
        why = broken_by(name, data)
        assert why is None, why

    try_them()


def test_no_corpus_is_of_a_target_that_is_gone() -> None:
    assert {path.name for path in CORPUS.iterdir()} == TARGETS.keys()


def broken_by(name: str, data: bytes) -> str | None:
    """The traceback of what the target did against its contract, in characters that every report can hold."""
    try:
        TARGETS[name](data)
    except Exception as error:  # whatever it is: the contract knows of none
        return ascii("".join(traceback.format_exception(error)[-6:])).replace("\\n", "\n")
    return None
