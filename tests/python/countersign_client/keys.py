"""Section 1 (keys, labels, CI key), 2 (texts), 7.2 to 7.4 (mailboxes, tickets, open proofs)."""

import re
import struct
import unicodedata
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from . import ProtocolError, bech32

MAX_TICKET = 1024
MAX_NAME, MAX_REASON, MAX_HINT = 64, 120, 200


def label(name: str) -> bytes:
    return b"countersign/1 " + name.encode() + b"\0"


def hkdf(ikm: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(ikm)


def derive(root: bytes, name: str, context: bytes = b"") -> bytes:
    return hkdf(root, b"", label(name) + context)


def number(h: bytes, name: str, digits: int) -> str:
    return str(int.from_bytes(derive(h, name)[:8], "big") % 10**digits).zfill(digits)


# --- X25519 and Ed25519


def x25519_public(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def x25519(secret: bytes, public: bytes) -> bytes:
    try:  # an all-zero result raises
        return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as e:
        raise ProtocolError("X25519") from e


def ed25519_public(secret: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def sign(secret: bytes, name: str, message: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(secret).sign(label(name) + message)


_P = 2**255 - 19


def _small_order_ys():
    """y of the eight points of small order: 1, -1, 0 and the two of order 8 (d y^4 + 2 y^2 - 1 = 0)."""
    d = -121665 * pow(121666, -1, _P) % _P

    def roots(a):
        r = pow(a, (_P + 3) // 8, _P)
        for r in (r, r * pow(2, (_P - 1) // 4, _P) % _P):
            if r * r % _P == a % _P:
                return [r, _P - r]
        return []

    ys = {0, 1, _P - 1}
    for s in roots(1 + d):
        for y in roots((s - 1) * pow(d, -1, _P) % _P):
            ys.add(y)
    return ys


_SMALL_YS = _small_order_ys()


def _check_point(encoded: bytes):
    y = int.from_bytes(encoded, "little") & (1 << 255) - 1
    if y >= _P or y in _SMALL_YS:
        raise ProtocolError("Ed25519 point")


def verify(public: bytes, name: str, message: bytes, signature: bytes):
    """Strict: no small-order keys, canonical encodings."""
    if len(signature) != 64 or len(public) != 32:
        raise ProtocolError("signature")
    _check_point(public)
    _check_point(signature[:32])
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, label(name) + message)
    except (InvalidSignature, ValueError) as e:
        raise ProtocolError("signature") from e


# --- CI's keys


@dataclass
class CiKey:
    ci_root: bytes
    psk: bytes

    def encode(self) -> str:
        return bech32.encode("countersign-key-", b"\x01" + self.ci_root + self.psk).upper()

    @staticmethod
    def decode(text: str) -> "CiKey":
        data = bech32.decode("countersign-key-", text)
        if len(data) != 65 or data[0] != 1:
            raise ProtocolError("CI key")
        return CiKey(data[1:33], data[33:])

    @staticmethod
    def decode_all(text: str) -> list["CiKey"]:
        lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
        return [CiKey.decode(word) for word in re.split(r"[\s,]+", "\n".join(lines)) if word]

    @property
    def channel_secret(self) -> bytes:
        return derive(self.ci_root, "ci channel")

    @property
    def sender_secret(self) -> bytes:
        return derive(self.ci_root, "ci sender")


# --- texts (section 2)


def text_ok(text, limit: int) -> bool:
    return isinstance(text, str) and len(text) <= limit and not any(
        unicodedata.category(c) in ("Cc", "Zl", "Zp") or c == "\u061c" or c == "\ufeff"
        or "\u200b" <= c <= "\u200f" or "\u2028" <= c <= "\u202e" or "\u2060" <= c <= "\u206f"
        for c in text)


def clean(text: str, limit: int) -> str:
    return "".join(c if text_ok(c, 1) else "\ufffd" for c in text)[:limit]


# --- mailboxes, tickets, proofs


def pairing_id(rendezvous: bytes, ci_public: bytes) -> bytes:
    return sha256(label("pairing id") + rendezvous + ci_public).digest()[:16]


def mailbox(public: bytes) -> bytes:
    return sha256(label("mailbox") + public).digest()


def _origin(origin: str) -> bytes:
    return struct.pack(">H", len(origin)) + origin.encode("ascii")


def mailbox_proof_message(origin: str, nonce: bytes) -> bytes:
    return _origin(origin) + nonce


def open_proof_message(origin: str, nonce: bytes, circuit: int, ticket: bytes, tail: bytes) -> bytes:
    return (_origin(origin) + nonce + struct.pack(">I", circuit)
            + sha256(ticket).digest() + sha256(tail).digest())


@dataclass
class Ticket:
    mailbox_public: bytes
    ticket_id: bytes
    sender: bytes  # zeros: keyless
    max_bytes: int
    opens_per_hour: int
    expires: int
    push: bytes

    def encode(self, mailbox_secret: bytes) -> bytes:
        body = (b"\x01" + self.mailbox_public + self.ticket_id + self.sender
                + struct.pack(">IHQH", self.max_bytes, self.opens_per_hour, self.expires, len(self.push)) + self.push)
        return body + sign(mailbox_secret, "ticket", body)

    @staticmethod
    def decode(data: bytes) -> "Ticket":
        if not 161 <= len(data) <= MAX_TICKET or data[0] != 1:
            raise ProtocolError("ticket")
        max_bytes, opens, expires, length = struct.unpack(">IHQH", data[81:97])
        if len(data) != 97 + length + 64:
            raise ProtocolError("ticket length")
        verify(data[1:33], "ticket", data[:-64], data[-64:])
        return Ticket(data[1:33], data[33:49], data[49:81], max_bytes, opens, expires, data[97:-64])
