"""Relay frames (section 7.1) and relay URLs (section 7)."""

import ipaddress
import re
import struct

from . import ProtocolError
from .keys import MAX_TICKET

MAX_FRAME, MAX_DENY, MAX_RELAY_URL = 16384, 256, 128
MAX_ENDPOINT, MAX_SEALED_PUSH = 640, 863
RELAY_CIRCUIT = 1 << 31

# type byte, name, fields as (name, length); "I" and the like are integers
FRAMES = {
    0x01: ("HELLO", (("version", "B"), ("nonce", 32), ("time", "Q"))),
    0x10: ("PROVE", (("mailbox_public", 32), ("signature", 64), ("deny", "deny"))),
    0x11: ("OPEN", (("circuit", "I"), ("ticket", "ticket"), ("signature", 64), ("tail", "tail"))),
    0x12: ("MEET", (("circuit", "I"), ("role", "B"), ("rendezvous", 16))),
    0x13: ("PUSH", (("mailbox", 32), ("kind", "B"), ("p256dh", 65), ("auth", 16), ("endpoint", "endpoint"))),
    0x20: ("PROVED", (("mailbox", 32),)),
    0x21: ("INCOMING", (("circuit", "I"), ("mailbox", 32), ("ticket_id", 16), ("tail", "tail"))),
    0x22: ("OPENED", (("circuit", "I"),)),
    0x23: ("WAITING", (("circuit", "I"),)),
    0x24: ("MET", (("circuit", "I"),)),
    0x25: ("EVICTED", (("mailbox", 32),)),
    0x26: ("ERROR", (("code", "B"),)),
    0x27: ("WAKE", (("circuit", "I"), ("result", "B"))),
    0x28: ("PUSH_SEALED", (("mailbox", 32), ("status", "B"), ("key", 65), ("sealed", "sealed"))),
    0x30: ("DATA", (("circuit", "I"), ("tail", "tail"))),
    0x31: ("CLOSE", (("circuit", "I"), ("reason", "B"))),
}
# with their lengths before them: (shortest, longest)
SIZED = {"ticket": (0, MAX_TICKET), "endpoint": (1, MAX_ENDPOINT), "sealed": (0, MAX_SEALED_PUSH)}
TYPES = {name: (number, spec) for number, (name, spec) in FRAMES.items()}
CLOSE = ("done", "peer_gone", "ticket_refused", "limit", "refused", "session_unknown", "phone_failed", "timeout",
         "rendezvous_taken")
ERROR = {1: "malformed", 2: "bad_proof", 3: "limit", 4: "auth_timeout", 5: "shutting_down", 6: "session_over"}


def encode(name: str, **values) -> bytes:
    number, spec = TYPES[name]
    out = bytes([number])
    for field, kind in spec:
        value = values.pop(field)
        if field == "kind" and value == 0:
            out += b"\0"
            break
        if kind == "deny":
            out += struct.pack(">H", len(value)) + b"".join(value)
        elif kind in SIZED:
            out += struct.pack(">H", len(value)) + value
        elif isinstance(kind, str) and kind != "tail":
            out += struct.pack(">" + kind, value)
        else:
            out += value
    assert not values and len(out) <= MAX_FRAME
    return out


def decode(data: bytes) -> dict:
    if not data or data[0] not in FRAMES or len(data) > MAX_FRAME:
        raise ProtocolError("frame type or length")
    name, spec = FRAMES[data[0]]
    at, values = 1, {"type": name}

    def take(length):
        nonlocal at
        at += length
        if at > len(data):
            raise ProtocolError("frame cut short")
        return data[at - length:at]

    def integer(code):
        return struct.unpack(">" + code, take(struct.calcsize(">" + code)))[0]

    for field, kind in spec:
        if kind == "tail":
            values[field] = take(len(data) - at)
        elif kind == "deny":
            count = integer("H")
            if count > MAX_DENY:
                raise ProtocolError("too many denied tickets")
            values[field] = [take(16) for _ in range(count)]
        elif kind in SIZED:
            length, (shortest, longest) = integer("H"), SIZED[kind]
            if not shortest <= length <= longest:
                raise ProtocolError(f"length of {field}")
            values[field] = take(length)
        elif isinstance(kind, str):
            values[field] = integer(kind)
            if field == "kind" and values[field] == 0:
                break
        else:
            values[field] = take(kind)
    if at != len(data) or values.get("role", 0) > 1 or values.get("kind", 0) > 1:
        raise ProtocolError("frame")
    return values


def origin(text: str) -> str:
    """The normal form of a relay URL."""
    if not text.isascii() or len(text) > MAX_RELAY_URL:
        raise ProtocolError("relay URL is too long or not ASCII")
    match = re.fullmatch(r"(wss?)://(\[[0-9a-f:.]+\]|[0-9a-z.-]+)(?::([1-9][0-9]{0,4}))?/?", text.lower())
    if not match:
        raise ProtocolError("relay URL")
    scheme, host, port = match.groups()
    try:
        if host.startswith("["):
            address = ipaddress.IPv6Address(host[1:-1])
            mapped = address.ipv4_mapped
            host = f"[::ffff:{mapped}]" if mapped else f"[{address.compressed}]"
            loopback = int(address) == 1
        elif re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.split(".")[-1]):
            loopback = ipaddress.IPv4Address(host).is_loopback
        else:
            if not all(re.fullmatch(r"[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?", part) for part in host.split(".")):
                raise ProtocolError("host name")
            loopback = host == "localhost"
    except ValueError as e:
        raise ProtocolError("address") from e
    if scheme == "ws" and not loopback:
        raise ProtocolError("ws:// only to this machine")
    if port and int(port) > 65535:
        raise ProtocolError("port")
    out = f"{scheme}://{host}"
    if port and (scheme, port) not in (("wss", "443"), ("ws", "80")):
        out += f":{port}"
    return out
