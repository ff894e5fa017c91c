"""A script may end at any moment, without a word to the engine."""

import asyncio
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).resolve().parents[3] / "tests" / "python"


@pytest.mark.parametrize("how", ["kept", "dropped"])
async def test_a_script_that_just_ends(relay, how):
    for _ in range(3):
        pipe = asyncio.subprocess.PIPE
        script = Path(__file__).with_name("exits.py")
        child = await asyncio.create_subprocess_exec(sys.executable, script, relay.url, how, CLIENT, stdout=pipe, stderr=pipe)
        out, err = await asyncio.wait_for(child.communicate(), 30)
        assert (child.returncode, out, err) == (0, b"", b"")
