"""Pairing (section 6): the messages of both sides, and the laptop's run."""

import asyncio
import os
from dataclasses import dataclass

from . import ProtocolError, bech32, cbor, frames, keys
from .cbor import is_bytes, require
from .keys import CiKey, Ticket, derive, hkdf, label, text_ok, x25519_public
from .noise_channel import MAX_SKIPPED, Handshake, pad, unpad
from .relay import Relay

PAIRING_TTL = 300
CI_HELLO, PHONE_HELLO, LAST = (256,), (1024, 2048), (64,)


def code(ci_public: bytes, qr_psk: bytes, rendezvous: bytes, url: str) -> str:
    data = b"\x01\x00" + ci_public + qr_psk + rendezvous + frames.origin(url).encode()
    return bech32.encode("countersign-pair-", data).upper()


def parse_code(text: str) -> tuple:
    """ci's public key, QR psk, rendezvous, relay URL."""
    data = bech32.decode("countersign-pair-", text)
    require(len(data) > 82 and data[:2] == b"\x01\x00", "pairing code")
    try:
        url = data[82:].decode("ascii")
    except UnicodeDecodeError as e:
        raise ProtocolError("pairing code") from e
    return data[2:34], data[34:66], data[66:82], frames.origin(url)


class Channel:
    """The XKpsk3 channel of either side."""

    def __init__(self, phone: bool, secret: bytes, ci_public: bytes, qr_psk: bytes, rendezvous: bytes, e=None):
        self.qr_psk = qr_psk
        self.pairing_id = keys.pairing_id(rendezvous, ci_public)
        self.noise = Handshake("XKpsk3", phone, b"countersign/1\0\x10" + self.pairing_id, s=secret,
                               rs=ci_public if phone else None, psk=qr_psk, e=e)

    def psk(self, laptop_share: bytes, phone_share: bytes) -> bytes:
        return hkdf(self.qr_psk + laptop_share + phone_share, self.noise.h, label("pairing psk"))

    def digits(self) -> str:
        return keys.number(self.noise.h, "pairing code", 6)


def ci_hello(name: str, sender: bytes, share: bytes) -> bytes:
    return pad(cbor.encode({"v": 1, "name": name, "sender": sender, "psk_share": share}), CI_HELLO)


def phone_hello(name: str, recipient: str, signer: bytes, ticket: bytes, share: bytes) -> bytes:
    return pad(cbor.encode({"v": 1, "name": name, "recipient": recipient, "signer": signer, "ticket": ticket,
                            "psk_share": share}), PHONE_HELLO)


def parse_ci_hello(plain: bytes) -> tuple:
    v, name, sender, share = cbor.fields(cbor.decode(unpad(plain, CI_HELLO)), "v", "name", "sender", "psk_share")
    require(v == 1 and text_ok(name, keys.MAX_NAME) and is_bytes(sender, 32) and is_bytes(share, 32))
    return name, sender, share


@dataclass
class PhoneHello:
    name: str
    recipient: str
    signer: bytes
    ticket: bytes
    psk_share: bytes

    @staticmethod
    def parse(plain: bytes, sender: bytes) -> "PhoneHello":
        v, *values = cbor.fields(cbor.decode(unpad(plain, PHONE_HELLO)),
                                 "v", "name", "recipient", "signer", "ticket", "psk_share")
        hello = PhoneHello(*values)
        require(v == 1 and text_ok(hello.name, keys.MAX_NAME) and is_bytes(hello.signer, 32)
                and is_bytes(hello.ticket) and is_bytes(hello.psk_share, 32) and type(hello.recipient) is str)
        require(hello.recipient.islower() and len(bech32.decode("age", hello.recipient)) == 32, "recipient")
        require(Ticket.decode(hello.ticket).sender == sender, "a ticket for another sender")
        return hello


def last(word: str) -> bytes:
    return pad(cbor.encode(word), LAST)


@dataclass
class Pairing:
    """What the laptop keeps. Only `ci_key` is secret."""

    ci_key: str
    name: str
    relay: str
    pairing_id: bytes
    phone_name: str
    phone_public: bytes
    recipient: str
    signer: bytes
    ticket: bytes

    def to_json(self) -> dict:
        return {k: v.hex() if isinstance(v, bytes) else v for k, v in vars(self).items()}

    @staticmethod
    def from_json(values: dict) -> "Pairing":
        binary = ("pairing_id", "phone_public", "signer", "ticket")
        return Pairing(**{k: bytes.fromhex(v) if k in binary else v for k, v in values.items()})


class Laptop:
    """The laptop's half without the network; random values may be given for test vectors."""

    def __init__(self, name: str, url: str, random=os.urandom, e: bytes = None):
        require(text_ok(name, keys.MAX_NAME), "name")
        self.name, self.url = name, frames.origin(url)
        self.ci_root, self.rendezvous, qr_psk = random(32), random(16), random(32)
        self.share = random(32)
        secret = derive(self.ci_root, "ci channel")
        self.sender = keys.ed25519_public(derive(self.ci_root, "ci sender"))
        public = x25519_public(secret)
        self.code = code(public, qr_psk, self.rendezvous, self.url)
        self.channel = Channel(False, secret, public, qr_psk, self.rendezvous, e)

    def p2(self, p1: bytes) -> bytes:
        require(self.channel.noise.read(p1) == b"", "P1 carries something")
        return self.channel.noise.write(ci_hello(self.name, self.sender, self.share))

    def p3(self, message: bytes) -> str:
        """The digits that the human has to type."""
        self.hello = PhoneHello.parse(self.channel.noise.read(message), self.sender)
        self.send, self.receive = self.channel.noise.split()
        return self.channel.digits()

    def p4(self) -> bytes:
        return self.send.encrypt(last("paired"))

    def p5(self, message: bytes) -> Pairing:
        plain = self.receive.decrypt(message, skip=MAX_SKIPPED)
        require(cbor.decode(unpad(plain, LAST)) == "stored", "P5")
        hello = self.hello
        key = CiKey(self.ci_root, self.channel.psk(self.share, hello.psk_share))
        return Pairing(key.encode(), self.name, self.url, self.channel.pairing_id, hello.name, self.channel.noise.rs,
                       hello.recipient, hello.signer, hello.ticket)


class WrongDigits(Exception):
    pass


async def pair(laptop: Laptop, ask_digits) -> Pairing:
    """`ask_digits` is awaited once; the laptop's code has been shown before."""
    async with asyncio.timeout(PAIRING_TTL):
        async with Relay(laptop.url) as relay:
            await relay.meet(0, laptop.rendezvous)
            await relay.expect("MET")
            await relay.data(laptop.p2((await relay.expect("DATA"))["tail"]))
            digits = laptop.p3((await relay.expect("DATA"))["tail"])
            if (await ask_digits()).strip() != digits:
                await relay.close()
                raise WrongDigits
            await relay.data(laptop.p4())
            pairing = laptop.p5((await relay.expect("DATA"))["tail"])
            await relay.close()
            return pairing
