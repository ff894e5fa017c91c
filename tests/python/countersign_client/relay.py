"""A connection to a relay (section 7)."""

import asyncio

import websockets
from websockets.asyncio.client import connect

from . import ProtocolError, frames, keys

CONNECT_TIMEOUT = 20
TRY_LATER = ("limit", "auth_timeout", "shutting_down", "session_over")


class Lost(Exception):
    """The connection, or the other end of the circuit, is gone; trying again may help."""


class Closed(Exception):
    """The circuit was closed for a reason that is final for this attempt: args[0]."""


class Relay:
    """One connection with one circuit at a time."""

    def __init__(self, url: str):
        self.origin, self.socket, self.circuit, self.nonce = frames.origin(url), None, 0, None

    async def __aenter__(self):
        try:
            # The relay is on this machine or behind TLS; a proxy makes sense for the latter only.
            self.socket = await connect(self.origin + "/v1", max_size=frames.MAX_FRAME, compression=None,
                                        open_timeout=CONNECT_TIMEOUT,
                                        proxy=True if self.origin.startswith("wss") else None)
        except (OSError, TimeoutError, websockets.WebSocketException) as e:
            raise Lost(f"no connection to the relay: {e}") from e
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                hello = await self.frame()
        except TimeoutError as e:
            await self.socket.close()
            raise Lost("no HELLO") from e
        if hello["type"] != "HELLO" or hello["version"] != 1:
            raise ProtocolError("HELLO")
        self.nonce = hello["nonce"]
        return self

    async def __aexit__(self, *_):
        await self.socket.close()

    async def send(self, name: str, **values):
        try:
            await self.socket.send(frames.encode(name, **values))
        except websockets.ConnectionClosed as e:
            raise Lost("connection lost") from e

    async def frame(self) -> dict:
        try:
            data = await self.socket.recv()
        except websockets.ConnectionClosed as e:
            raise Lost("connection lost") from e
        if not isinstance(data, bytes):
            raise ProtocolError("text message")
        frame = frames.decode(data)
        if frame["type"] == "ERROR":
            what = frames.ERROR.get(frame["code"], f"code {frame['code']}")
            raise (Lost if what in TRY_LATER else ProtocolError)(f"relay: {what}")
        return frame

    async def open(self, ticket: bytes, sender_secret: bytes, tail: bytes):
        """OPEN on a new circuit, which takes the place of one that waits."""
        self.circuit += 1
        proof = keys.open_proof_message(self.origin, self.nonce, self.circuit, ticket, tail)
        await self.send("OPEN", circuit=self.circuit, ticket=ticket, tail=tail,
                        signature=keys.sign(sender_secret, "open proof", proof))

    async def meet(self, role: int, rendezvous: bytes):
        self.circuit += 1
        await self.send("MEET", circuit=self.circuit, role=role, rendezvous=rendezvous)

    async def data(self, tail: bytes):
        await self.send("DATA", circuit=self.circuit, tail=tail)

    async def close(self, reason: str = "done"):
        await self.send("CLOSE", circuit=self.circuit, reason=frames.CLOSE.index(reason))

    async def expect(self, *types) -> dict:
        """The next frame of the circuit, which has to be one of these types."""
        while True:
            frame = await self.frame()
            if frame["type"] == "WAKE":
                continue  # changes nothing: the OPEN goes on waiting
            if frame.get("circuit") != self.circuit:
                if frame["type"] in ("DATA", "CLOSE", "OPENED", "WAITING"):
                    continue  # of a circuit that was withdrawn
                raise ProtocolError(f"unexpected {frame['type']}")
            if frame["type"] == "CLOSE":
                reason = frame["reason"]
                name = frames.CLOSE[reason] if reason < len(frames.CLOSE) else f"reason {reason}"
                raise Closed(name)
            if frame["type"] not in types:
                raise ProtocolError(f"unexpected {frame['type']}")
            return frame
