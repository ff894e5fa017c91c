"""The seed of these tests, and pictures of it."""

import base64
import hashlib
import io
import struct
import zlib

import pyotp
import segno

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
# The shortest period: a second code does not come before the next step.
PERIOD = 15
URI = f"otpauth://totp/ACME:release?secret={SECRET}&issuer=ACME&period={PERIOD}"
LABEL = "ACME:release"
TOTP = pyotp.TOTP(SECRET, interval=PERIOD)


def another(name):
    """The URI of a seed of its own: one secret under two names would be one seed."""
    secret = base64.b32encode(hashlib.sha256(name.encode()).digest()[:20]).decode()
    return f"otpauth://totp/ACME:{name}?secret={secret}&issuer=ACME"


def step(now):
    return int(now) // PERIOD


def picture(text):
    png = io.BytesIO()
    segno.make(text, micro=False).save(png, kind="png", scale=4, border=4)
    return png.getvalue()


def picture_of_several(*texts):
    """One picture with a code beside the other, of the same size."""
    codes = [segno.make(text, micro=False, version=10) for text in texts]
    rows = zip(*[list(code.matrix_iter(scale=4, border=4)) for code in codes], strict=True)
    lines = [b"".join(bytes(0 if dark else 255 for dark in part) for part in parts) for parts in rows]
    return png(lines)


def blank():
    return png([bytes([255]) * 200] * 200)


def png(lines):
    """A grey picture, of lines of one byte for each pixel."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(lines[0]), len(lines), 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + line for line in lines))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
