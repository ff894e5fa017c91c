"""otpauth URIs, codes and issue rules (section 4). A CI client needs none of it; the vectors and the small phone do."""

import base64
import hmac
import re
from urllib.parse import quote

from . import ProtocolError
from .keys import text_ok

MAX_URI, MAX_LABEL, MIN_LIFE, MAX_BATCH = 512, 128, 8, 20
KNOWN = ("secret", "issuer", "algorithm", "digits", "period")


def hotp(secret: bytes, step: int, digits: int, algorithm: str) -> str:
    mac = hmac.digest(secret, step.to_bytes(8, "big"), algorithm.lower())
    at = mac[-1] & 15
    return str((int.from_bytes(mac[at:at + 4], "big") & 0x7FFFFFFF) % 10**digits).zfill(digits)


def issue(now: int, period: int, last, count: int, min_life: int = 0) -> range:
    if not 1 <= count <= MAX_BATCH:
        raise ProtocolError("count")
    current = now // period
    if (current + MAX_BATCH + 2) * period >= 2**64:
        raise ProtocolError("clock")
    first = current + 1 if (current + 1) * period - now < max(MIN_LIFE, min_life) else current
    if last is not None:
        first = max(first, last + 1)
    if first > current + MAX_BATCH:
        raise ProtocolError("busy")
    return range(first, first + count)


def _percent(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ProtocolError("percent escape")
    data = re.sub(rb"%(..)", lambda m: bytes([int(m[1], 16)]), text.encode("ascii"))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise ProtocolError("UTF-8") from e


def _number(text: str, allowed) -> int:
    if not re.fullmatch("[1-9][0-9]*", text, re.ASCII) or int(text) not in allowed:
        raise ProtocolError("number")
    return int(text)


class Otpauth:
    def __init__(self, uri: str):
        if len(uri) > MAX_URI or not re.fullmatch(r"[ -~]*", uri) or "#" in uri:
            raise ProtocolError("URI")
        match = re.fullmatch(r"otpauth://totp/([^?]*)(?:\?(.*))?", uri, re.IGNORECASE)
        if not match:
            raise ProtocolError("scheme or type")
        given = {}
        for item in (match[2] or "").split("&"):
            name, _, value = item.partition("=")
            if name.lower() in KNOWN:
                if name.lower() in given:
                    raise ProtocolError("repeated")
                given[name.lower()] = _percent(value)
        issuer, colon, account = _percent(match[1]).partition(":")
        if not colon:
            issuer, account = "", issuer
        self.account = account.strip(" ")
        self.issuer = given.get("issuer", "").strip(" ") or issuer.strip(" ")
        self.label = f"{self.issuer}:{self.account}" if self.issuer else self.account
        if not self.account or not text_ok(self.label, MAX_LABEL) or ":" in given.get("issuer", ""):
            raise ProtocolError("label")
        if not self.issuer and ":" in self.account:
            raise ProtocolError("label")
        secret = re.sub("[-= ]", "", given.get("secret", "")).upper()
        if not re.fullmatch("[A-Z2-7]+", secret) or len(secret) % 8 in (1, 3, 6):
            raise ProtocolError("secret")
        self.secret = base64.b32decode(secret + "=" * (-len(secret) % 8))
        if not 10 <= len(self.secret) <= 64:
            raise ProtocolError("secret length")
        self.warning = len(self.secret) < 16
        self.algorithm = given.get("algorithm", "SHA1").upper()
        if self.algorithm not in ("SHA1", "SHA256", "SHA512"):
            raise ProtocolError("algorithm")
        self.digits = _number(given.get("digits", "6"), range(6, 9))
        self.period = _number(given.get("period", "30"), range(15, 121))
        if len(self.normal()) > MAX_URI:
            raise ProtocolError("normal form too long")

    def normal(self) -> str:
        def text(value):
            return quote(value, safe="-._~")

        named = f"{text(self.issuer)}:" if self.issuer else ""
        issuer = f"&issuer={text(self.issuer)}" if self.issuer else ""
        secret = base64.b32encode(self.secret).decode().rstrip("=")
        return (f"otpauth://totp/{named}{text(self.account)}?secret={secret}{issuer}"
                f"&algorithm={self.algorithm}&digits={self.digits}&period={self.period}")
