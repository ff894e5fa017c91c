"""The Noise patterns that Countersign uses, with 25519_ChaChaPoly_SHA256 (Noise revision 34).

The Python packages that have the psk modifiers are not maintained any more, so this is sections 5 and 9 of the framework.
"""

import hmac
import os
import struct
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from . import ProtocolError
from .keys import x25519, x25519_public

# pattern: (premessages of the initiator, of the responder, messages)
PATTERNS = {
    "NK": ("", "s", ("e es", "e ee")),
    "KKpsk0": ("s", "s", ("psk e es ss", "e ee se")),
    "XKpsk3": ("", "s", ("e es", "e ee", "s se psk")),
}
MAX_SKIPPED = 7


class Cipher:
    def __init__(self, key: bytes):
        self.aead, self.n = ChaCha20Poly1305(key), 0

    def encrypt(self, plaintext: bytes, ad: bytes = b"") -> bytes:
        self.n += 1
        return self.aead.encrypt(b"\0\0\0\0" + struct.pack("<Q", self.n - 1), plaintext, ad)

    def decrypt(self, ciphertext: bytes, ad: bytes = b"", skip: int = 0) -> bytes:
        for n in range(self.n, self.n + skip + 1):
            try:
                plaintext = self.aead.decrypt(b"\0\0\0\0" + struct.pack("<Q", n), ciphertext, ad)
            except InvalidTag:
                continue
            self.n = n + 1
            return plaintext
        raise ProtocolError("decryption")


class Handshake:
    def __init__(self, pattern: str, initiator: bool, prologue: bytes, *, s: bytes = None, rs: bytes = None,
                 psk: bytes = None, e: bytes = None):
        """s: own static secret, rs: the peer's static public, e: the ephemeral secret (test vectors only)."""
        name = f"Noise_{pattern}_25519_ChaChaPoly_SHA256".encode()
        own, other, self.messages = PATTERNS[pattern]
        self.h = name.ljust(32, b"\0") if len(name) <= 32 else sha256(name).digest()
        self.ck, self.cipher = self.h, None
        self.initiator, self.s, self.rs, self.psk, self.next = initiator, s, rs, psk, 0
        self.e, self.re = e or os.urandom(32), None
        self.psk_mode = "psk" in pattern
        self._mix_hash(prologue)
        for tokens, mine in ((own, initiator), (other, not initiator)):
            if tokens:
                self._mix_hash(x25519_public(s) if mine else rs)

    def _mix_hash(self, data: bytes):
        self.h = sha256(self.h + data).digest()

    def _hkdf(self, ikm: bytes, count: int):
        temp, out = hmac.digest(self.ck, ikm, "sha256"), [b""]
        for i in range(count):
            out.append(hmac.digest(temp, out[-1] + bytes([i + 1]), "sha256"))
        return out[1:]

    def _mix_key(self, ikm: bytes):
        self.ck, key = self._hkdf(ikm, 2)
        self.cipher = Cipher(key)

    def _mix_psk(self):
        self.ck, h, key = self._hkdf(self.psk, 3)
        self._mix_hash(h)
        self.cipher = Cipher(key)

    def _dh(self, token: str) -> bytes:
        mine, theirs = token if self.initiator else token[::-1]
        return x25519(self.s if mine == "s" else self.e, self.rs if theirs == "s" else self.re)

    def _encrypt(self, plaintext: bytes) -> bytes:
        out = self.cipher.encrypt(plaintext, self.h) if self.cipher else plaintext
        self._mix_hash(out)
        return out

    def _decrypt(self, data: bytes) -> bytes:
        out = self.cipher.decrypt(data, self.h) if self.cipher else data
        self._mix_hash(data)
        return out

    def _tokens(self) -> list:
        self.next += 1
        return self.messages[self.next - 1].split()

    def write(self, payload: bytes) -> bytes:
        out = b""
        for token in self._tokens():
            if token == "e":
                out += x25519_public(self.e)
                self._mix_hash(out[-32:])
                if self.psk_mode:
                    self._mix_key(out[-32:])
            elif token == "s":
                out += self._encrypt(x25519_public(self.s))
            elif token == "psk":
                self._mix_psk()
            else:
                self._mix_key(self._dh(token))
        return out + self._encrypt(payload)

    def read(self, message: bytes) -> bytes:
        for token in self._tokens():
            if token == "e":
                self.re, message = message[:32], message[32:]
                if len(self.re) != 32:
                    raise ProtocolError("short handshake message")
                self._mix_hash(self.re)
                if self.psk_mode:
                    self._mix_key(self.re)
            elif token == "s":
                length = 48 if self.cipher else 32
                self.rs, message = self._decrypt(message[:length]), message[length:]
            elif token == "psk":
                self._mix_psk()
            else:
                self._mix_key(self._dh(token))
        return self._decrypt(message)

    def split(self) -> tuple:
        """(send, receive) once all messages have gone."""
        assert self.next == len(self.messages)
        first, second = map(Cipher, self._hkdf(b"", 2))
        return (first, second) if self.initiator else (second, first)


# --- padding (section 5.1)


def pad(body: bytes, sizes) -> bytes:
    plain = struct.pack(">H", len(body)) + body
    for size in sizes:
        if len(plain) <= size:
            return plain.ljust(size, b"\0")
    raise ProtocolError("message too long")


def unpad(plain: bytes, sizes) -> bytes:
    if len(plain) not in sizes:
        raise ProtocolError("message size")
    length = int.from_bytes(plain[:2], "big")
    body, padding = plain[2:2 + length], plain[2 + length:]
    if len(body) != length or any(padding):
        raise ProtocolError("padding")
    return body
