"""A request (section 5): messages, ci's session, and the run over a relay."""

import asyncio
import os
import struct
import time
from dataclasses import dataclass

from . import cbor, keys
from .cbor import is_bytes, is_uint, require
from .keys import CiKey, derive, text_ok
from .noise_channel import MAX_SKIPPED, Handshake, pad, unpad
from .pairing import Pairing
from .relay import Closed, Lost, Relay

SUITE = b"\x01"
REQUEST, ACK, CONFIRM, RESULT, OUTCOME = (4096, 8192, 12224), (256,), (64, 2048), (64, 256, 1024, 4096), (64,)
MAX_BATCH, MAX_MIN_LIFE, MAX_TTL, DEFAULT_TTL, WAIT_REFRESH, BUSY_RETRY, LOST_RETRY, ACK_TIMEOUT = 20, 120, 600, 300, 25, 5, 2, 30
HINTS = ("platform", "repository", "reference", "commit", "workflow", "run_url", "actor")
STATES = ("ok", "busy", "clock", "unknown_seed", "policy", "malformed")
STATUSES = ("approved", "denied", "expired", "wrong_number", "policy", "busy", "failed")
RESULT_KEYS = ("status", "reason", "codes", "period", "valid_until", "now", "seed_id", "sealed", "label", "receipt")
CANCELS = ("interrupted", "superseded", "expired", "shutdown")


def request(request_id: bytes, created_at: int, sealed: bytes, codes: int, seed_name: str, reason: str, *,
            min_life=0, ttl=DEFAULT_TTL, hints=None, artefact=None) -> bytes:
    """The body of a request for codes."""
    require(1 <= codes <= MAX_BATCH and 1 <= ttl <= MAX_TTL and 0 <= min_life <= MAX_MIN_LIFE)
    return cbor.encode({
        "v": 1, "request_id": request_id, "created_at": created_at, "ttl": ttl, "operation": "code", "sealed": sealed,
        "codes": codes, "min_life": min_life, "seed_name": keys.clean(seed_name, keys.MAX_NAME),
        "reason": keys.clean(reason, keys.MAX_REASON), "artefact": artefact,
        "hints": {k: (hints or {}).get(k) for k in HINTS}, "token": b""})


@dataclass
class Result:
    status: str
    reason: str
    codes: list
    period: int
    valid_until: int
    now: int
    seed_id: bytes
    sealed: bytes
    label: str
    receipt: bytes


def receipt_message(h: bytes, request_id: bytes, seed_id: bytes, now: int, first: int, count: int) -> bytes:
    return h + request_id + seed_id + struct.pack(">QQB", now, first, count)


def parse_result(value, wanted: int) -> Result:
    """The result of a request for `wanted` codes; its receipt is checked by the session."""
    r = Result(*cbor.fields(value, *RESULT_KEYS))
    require(r.status in STATUSES and text_ok(r.reason, keys.MAX_REASON) and is_uint(r.now))
    require(is_bytes(r.seed_id, 16) and r.sealed == b"" and r.label == "" and is_bytes(r.receipt, 0, 64))
    require(type(r.codes) is list and is_uint(r.period) and is_uint(r.valid_until))
    if r.status != "approved":
        require(not r.codes and r.period == 0 and r.valid_until == 0 and not r.receipt)
        require(r.status == "denied" or not r.reason)
        return r
    require(1 <= len(r.codes) <= wanted and 15 <= r.period <= 120 and len(r.receipt) == 64 and not r.reason)
    for entry in r.codes:
        require(type(entry) is list and len(entry) == 2 and is_uint(entry[0], 2**64 // 120))
        require(type(entry[1]) is str and entry[1].isascii() and entry[1].isdigit() and 6 <= len(entry[1]) <= 8)
    first = r.codes[0][0]
    require([step for step, _ in r.codes] == list(range(first, first + len(r.codes))), "steps")
    require(r.valid_until == (first + len(r.codes)) * r.period, "valid_until")
    return r


class Session:
    """ci's half of one request, without the network."""

    def __init__(self, pairing: Pairing, request_id: bytes = None, e: bytes = None):
        key = CiKey.decode(pairing.ci_key)
        self.signer, self.request_id = pairing.signer, request_id or os.urandom(16)
        self.noise = Handshake("KKpsk0", True, b"countersign/1\0" + SUITE + pairing.pairing_id, s=key.channel_secret,
                               rs=pairing.phone_public, psk=key.psk, e=e)
        self.confirm = None  # M3 as sent

    def m1(self, body: bytes, wanted: int) -> bytes:
        self.wanted = wanted
        return SUITE + self.noise.write(pad(body, REQUEST))

    def m2(self, message: bytes) -> str:
        """The Ack's state; with "ok" there is a match number."""
        self.m2_message = message
        ack = cbor.decode(unpad(self.noise.read(message), ACK))
        v, self.phone_now, state, digits = cbor.fields(ack, "v", "now", "state", "digits")
        require(v == 1 and is_uint(self.phone_now) and state in STATES and digits in (2, 6))
        self.match = keys.number(self.noise.h, "match", digits)
        self.send, self.receive = self.noise.split()
        return state

    def _write(self, message, sizes) -> bytes:
        return self.send.encrypt(pad(cbor.encode(message), sizes))

    def m3(self) -> bytes:
        self.confirm = self._write({"confirm": {"request_id": self.request_id, "enroll": None}}, CONFIRM)
        return self.confirm

    def resume_tag(self) -> bytes:
        return derive(self.noise.h, "resume")[:16]

    def resume_tail(self) -> bytes:
        return b"\xfe" + self.resume_tag() + self.confirm

    def m4(self, message: bytes):
        """A Result, or the word of the phone's Cancel."""
        body = cbor.decode(unpad(self.receive.decrypt(message, skip=MAX_SKIPPED), RESULT))
        require(type(body) is dict and len(body) == 1)
        if "cancel" in body:
            require(body["cancel"] in CANCELS)
            return body["cancel"]
        r = parse_result(cbor.fields(body, "result")[0], self.wanted)
        if r.status == "approved":
            message = receipt_message(self.noise.h, self.request_id, r.seed_id, r.now, r.codes[0][0], len(r.codes))
            keys.verify(self.signer, "receipt", message, r.receipt)
        return r

    def m5(self, outcome: str) -> bytes:
        return self._write({"outcome": outcome}, OUTCOME)

    def cancel(self, why: str) -> bytes:
        return self._write({"cancel": why}, OUTCOME)


class Refused(Exception):
    """No code, and asking again in the same way will not change that: args[0] says why."""


class Run:
    """Asks until there is a result or the time is over."""

    def __init__(self, pairing: Pairing, sealed: bytes, codes: int, show_match, deliver, *, seed_name="", reason="",
                 ttl=DEFAULT_TTL):
        self.pairing, self.sealed, self.codes, self.show_match = pairing, sealed, codes, show_match
        self.seed_name, self.reason, self.ttl, self.deliver = seed_name, reason, ttl, deliver
        self.session, self.result, self.deadline, self.clock_retried = None, None, None, False
        self.sender_secret = CiKey.decode(pairing.ci_key).sender_secret

    async def __call__(self) -> tuple:
        """The result and when it came, by the monotonic clock. The first code has been delivered then."""
        try:
            async with asyncio.timeout(self.ttl) as self.deadline:
                while not await self._connection():
                    pass
            return self.result
        except TimeoutError:
            raise Refused("no answer in time") from None

    async def _connection(self) -> bool:
        try:
            async with Relay(self.pairing.relay) as relay:
                try:
                    while True:
                        pause = await self._attempt(relay)
                        if pause is None:
                            return True
                        await asyncio.sleep(pause)
                except asyncio.CancelledError as e:  # interrupted, or the deadline
                    await self._give_up(relay)
                    raise e
        except Lost:
            await asyncio.sleep(LOST_RETRY)
            return False

    async def _give_up(self, relay: Relay):
        try:
            if self.session and self.session.confirm:
                await relay.data(self.session.cancel("expired" if self.deadline.expired() else "interrupted"))
            await relay.close()
        except Lost:
            pass

    async def _attempt(self, relay: Relay):
        """None when the request is done, else how long to wait before the next attempt."""
        try:
            if not (self.session and self.session.confirm):
                pause = await self._ask(relay)
                if pause is not None:
                    return pause
            else:
                await relay.open(self.pairing.ticket, self.sender_secret, self.session.resume_tail())
                while (await relay.expect("OPENED", "WAITING"))["type"] != "OPENED":
                    pass
            while True:
                message = (await relay.expect("DATA"))["tail"]
                if message != self.session.m2_message:  # sent again: ignored
                    break
            result = self.session.m4(message)
        except Closed as e:
            reason = e.args[0]
            if reason == "session_unknown" and self.session:
                self.session = None
                return 0
            if reason in ("peer_gone", "timeout"):
                return 0
            if reason == "limit":
                return BUSY_RETRY
            raise Refused(reason) from e
        if isinstance(result, str):
            raise Refused(f"cancelled by the phone: {result}")
        if result.status == "approved":
            self.result = result, time.monotonic()
            self.deadline.reschedule(None)
            await self.deliver(*self.result, 0)
            try:
                await relay.data(self.session.m5("used"))
                await relay.close()
            except Lost:
                pass  # the circuit's end tells the phone as well
            return None
        await relay.close()
        raise Refused(result.status + (f": {result.reason}" if result.reason else ""))

    async def _ask(self, relay: Relay):
        """M1 to M3. None when M3 went out."""
        session, waited = await self._open_fresh(relay)
        async with asyncio.timeout(ACK_TIMEOUT):
            state = session.m2((await relay.expect("DATA"))["tail"])
        if state == "ok":
            self.show_match(session.match)
            self.session = session
            await relay.data(session.m3())
            return None
        await relay.close()
        if state == "busy":
            return BUSY_RETRY
        if state == "clock" and waited and not self.clock_retried:
            self.clock_retried = True
            return 0
        raise Refused(state)

    async def _open_fresh(self, relay: Relay):
        """OPENs with a new M1 until the phone has one; also says whether that took waiting."""
        waited = False
        while True:
            session = Session(self.pairing)
            body = request(session.request_id, int(time.time()), self.sealed, self.codes, self.seed_name, self.reason,
                           ttl=self.ttl)
            await relay.open(self.pairing.ticket, self.sender_secret, session.m1(body, self.codes))
            try:
                async with asyncio.timeout(WAIT_REFRESH):
                    while (await relay.expect("OPENED", "WAITING"))["type"] != "OPENED":
                        waited = True
                return session, waited
            except TimeoutError:
                await relay.close()  # withdrawn; created_at would grow too old


async def when_open(result: Result, came: float, index: int):
    """Waits until the step of a code is open by the phone's clock."""
    start = result.codes[index][0] * result.period
    await asyncio.sleep(max(0, start - result.now - (time.monotonic() - came)))
