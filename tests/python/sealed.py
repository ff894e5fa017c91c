"""Sealed seeds as a phone reads them (section 3), for sealed.json. A CI client passes them on unread."""

import base64
import hmac
import json
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from countersign_client import ProtocolError, otp
from countersign_client.cbor import is_uint, require
from countersign_client.keys import verify, x25519, x25519_public

MAX_SEALED, MAX_STANZAS, RECORD_SIZES = 2048, 8, (512, 1024)
RECORD_KEYS = ["v", "seed_id", "otpauth", "created", "enrolled_by", "signature"]


class Malformed(ProtocolError):
    """Against the grammar: refused before a decryptor sees a byte."""


def _base64(text: str, altchars=None) -> bytes:
    """Canonical and unpadded."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars, validate=True)
    except ValueError as e:
        raise Malformed("base64") from e
    if base64.b64encode(data, altchars).decode().rstrip("=") != text:
        raise Malformed("base64 is not canonical")
    return data


def parse(data: bytes) -> tuple:
    """The X25519 stanzas as (share, body), the bytes under the header's MAC, the MAC, and nonce with chunk."""
    if len(data) > MAX_SEALED:
        raise Malformed("too long")
    header, found, rest = data.partition(b"\n--- ")
    mac, newline, payload = rest.partition(b"\n")
    if not found or not newline or re.search(rb"[^\n -~]", header + mac):
        raise Malformed("header")
    lines = header.decode("ascii").split("\n")
    if lines.pop(0) != "age-encryption.org/v1":
        raise Malformed("version")
    stanzas = []
    while lines:
        line = lines.pop(0)
        if not re.fullmatch(r"->( [!-~]+)+", line):
            raise Malformed("stanza")
        body = ""
        while True:
            if not lines or len(lines[0]) > 64:
                raise Malformed("body")
            part = lines.pop(0)
            body += part
            if len(part) < 64:
                break
        stanzas.append((line.split(" ")[1:], _base64(body)))
    if not 1 <= len(stanzas) <= MAX_STANZAS or len(_base64(mac.decode("ascii"))) != 32:
        raise Malformed("stanzas or MAC")
    ours = []
    for (kind, *arguments), body in stanzas:
        if kind == "scrypt":
            raise Malformed("scrypt")
        if kind == "X25519":
            if len(arguments) != 1 or len(body) != 32 or len(_base64(arguments[0])) != 32:
                raise Malformed("X25519 stanza")
            ours.append((_base64(arguments[0]), body))
    if not ours or not 16 + 16 <= len(payload) <= 16 + 1040:
        raise Malformed("no X25519 stanza, or payload")
    return ours, header + b"\n---", _base64(mac.decode("ascii")), payload


def _hkdf(ikm, salt, info):
    return HKDF(SHA256(), 32, salt, info).derive(ikm)


def decrypt(data: bytes, identity: bytes) -> bytes:
    stanzas, header, mac, payload = parse(data)
    public = x25519_public(identity)
    for share, body in stanzas:
        key = _hkdf(x25519(identity, share), share + public, b"age-encryption.org/v1/X25519")
        try:
            file_key = ChaCha20Poly1305(key).decrypt(bytes(12), body, None)
            break
        except InvalidTag:
            pass
    else:
        raise ProtocolError("for somebody else")
    if not hmac.compare_digest(hmac.digest(_hkdf(file_key, b"", b"header"), header, "sha256"), mac):
        raise ProtocolError("header MAC")
    key = _hkdf(file_key, payload[:16], b"payload")
    try:
        return ChaCha20Poly1305(key).decrypt(bytes(11) + b"\x01", payload[16:], None)
    except InvalidTag as e:
        raise ProtocolError("payload") from e


def open_record(data: bytes, identity: bytes, trusted: list) -> dict:
    """The record of a sealed seed, with binary values decoded."""
    plain = decrypt(data, identity)
    text = plain.rstrip(b" ")
    require(len(plain) in RECORD_SIZES, "record size")
    try:
        text = text.decode("utf-8")
        require(text.startswith("{") and text.endswith("}") and "\\" not in text)
        pairs = json.loads(text, object_pairs_hook=list)
    except ValueError as e:
        raise ProtocolError("record") from e
    require(sorted(k for k, _ in pairs) == sorted(RECORD_KEYS), "keys")
    record = dict(pairs)
    require(record["v"] == 1 and is_uint(record["v"]) and is_uint(record["created"]))
    require(all(type(record[k]) is str for k in ("seed_id", "otpauth", "enrolled_by", "signature")))
    seed_id, signer, signature = (_base64(record[k], b"-_") for k in ("seed_id", "enrolled_by", "signature"))
    require(len(seed_id) == 16 and signer in trusted, "signer")
    verify(signer, "record",
           seed_id + record["created"].to_bytes(8, "big") + signer + record["otpauth"].encode("ascii"), signature)
    require(otp.Otpauth(record["otpauth"]).normal() == record["otpauth"], "normal form")
    return record | {"seed_id": seed_id, "text": text, "size": len(plain)}
