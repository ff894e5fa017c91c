"""The plain `age`, which takes a passphrase from a terminal only. Run as a program, this is the person who types it there: only a process without
threads can safely become one with a terminal."""

import asyncio
import os
import pty
import shutil
import sys
import tempfile
from pathlib import Path


async def run(data, passphrase, *arguments):
    """Runs age on `data`; its exit code, and what it wrote."""
    if not shutil.which("age"):
        raise RuntimeError("backups are opened with age here: install it (apt install age, or https://age-encryption.org)")
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "in", Path(folder) / "out"
        given.write_bytes(data)
        age = await asyncio.create_subprocess_exec(sys.executable, __file__, passphrase, "age", *arguments, "-o", out, given)
        status = await asyncio.wait_for(age.wait(), 30)
        return status, out.read_bytes() if out.exists() else b""


async def decrypt(data, passphrase):
    return await run(data, passphrase, "-d")


async def encrypt(data, passphrase):
    status, out = await run(data, passphrase, "-p")
    assert status == 0
    return out


def at_a_terminal(passphrase, *command):
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    said = b""
    while True:
        try:
            said += os.read(terminal, 1024)
        except OSError:
            break  # The end, on Linux.
        # Asked a second time when encrypting.
        if said.rstrip().endswith(b":"):
            os.write(terminal, passphrase.encode() + b"\n")
            said = b""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(at_a_terminal(*sys.argv[1:]))
