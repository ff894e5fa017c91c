"""The real programs as children, on loopback."""

import asyncio
import os
import re
from pathlib import Path

PATIENCE = 30


class Program:
    """A child whose output is read as it comes."""

    @classmethod
    async def start(cls, name, *arguments, cwd=None, env=None):
        self = cls()
        program = Path(os.environ["COUNTERSIGN_PROGRAMS"]) / name
        pipe = asyncio.subprocess.PIPE
        self.child = await asyncio.create_subprocess_exec(program, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd, env=env)
        self.out, self.err, self.seen, self.more, self.open = "", "", 0, asyncio.Condition(), 2
        self.readers = [asyncio.create_task(self._follow(stream, name)) for stream, name in [(self.child.stdout, "out"), (self.child.stderr, "err")]]
        return self

    async def _follow(self, stream, name):
        while data := await stream.read(4096):
            async with self.more:
                setattr(self, name, getattr(self, name) + data.decode(errors="replace"))
                self.more.notify_all()
        async with self.more:
            self.open -= 1
            self.more.notify_all()

    async def find(self, pattern, stream="err"):
        """Waits for `pattern` after what was found on this stream before; gives its first group."""
        start = self.seen if stream == "err" else 0
        found = None

        def there():
            nonlocal found
            found = re.compile(pattern).search(getattr(self, stream), start)
            return found or not self.open

        async with self.more:
            try:
                await asyncio.wait_for(self.more.wait_for(there), PATIENCE)
            except TimeoutError:
                pass
        assert found, f"no {pattern!r} in:\n{self.err}\nout:\n{self.out}"
        if stream == "err":
            self.seen = found.end()
        return found[1] if found.re.groups else found[0]

    async def say(self, line):
        self.child.stdin.write(line.encode() + b"\n")
        await self.child.stdin.drain()

    async def match_number(self):
        shown = await self.find(r"match number\D*([\d ]{6,})\n")
        return shown.replace(" ", "")

    async def end(self):
        """Its exit code; all output has been read."""
        self.child.stdin.close()
        await asyncio.wait_for(asyncio.gather(self.child.wait(), *self.readers), PATIENCE)
        return self.child.returncode

    def terminate(self):
        """Asks it to end (SIGTERM)."""
        self.child.terminate()

    async def kill(self):
        if self.child.returncode is None:
            self.child.kill()
        await self.end()


class Relay:
    @classmethod
    async def start(cls, listen="127.0.0.1:0"):
        self = cls()
        self.program = await Program.start("countersign-relay", "--listen", listen)
        self.url = await self.program.find(r"listening on (\S+)\n", "out")
        return self

    async def kill(self):
        await self.program.kill()
        return self.url.removeprefix("ws://")


class Laptop:
    """A folder with `countersign.toml` and the key, once it is paired."""

    def __init__(self, folder, relay):
        self.folder, self.relay, self.running = folder, relay, []

    async def run(self, *arguments):
        key = self.folder / "countersign.key"
        env = {"PATH": os.environ["PATH"]}
        if key.exists() and arguments[0] != "pair":
            env["COUNTERSIGN_KEY_FILE"] = str(key)
        self.running.append(await Program.start("countersign", *arguments, cwd=self.folder, env=env))
        return self.running[-1]

    async def pairs(self, name="acme/widget"):
        """`countersign pair`, and the pairing code that it shows."""
        pair = await self.run("pair", "--relay", self.relay.url, "--name", name, "--no-qr", "--key-file", "countersign.key")
        return pair, await pair.find(r"(COUNTERSIGN-PAIR-1\w+)\s*\n")

    async def end(self):
        for program in self.running:
            await program.kill()
