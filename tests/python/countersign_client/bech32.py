"""Bech32 (BIP-173 checksum) of any length."""

from . import ProtocolError

CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def _polymod(values):
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> i & 1:
                check ^= generator
    return check


def _expand(prefix):
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _regroup(data, from_bits, to_bits, pad):
    acc = bits = 0
    out = []
    for value in data:
        acc = acc << from_bits | value
        bits += from_bits
        while bits >= to_bits:
            bits -= to_bits
            out.append(acc >> bits & (1 << to_bits) - 1)
        acc &= (1 << bits) - 1
    if pad and bits:
        out.append(acc << to_bits - bits & (1 << to_bits) - 1)
    elif not pad and (bits >= from_bits or acc):
        raise ProtocolError("Bech32 padding")
    return out


def encode(prefix: str, data: bytes) -> str:
    """In small letters; the caller writes capitals where the protocol wants them."""
    values = _regroup(data, 8, 5, True)
    check = _polymod(_expand(prefix) + values + [0] * 6) ^ 1
    values += [check >> 5 * (5 - i) & 31 for i in range(6)]
    return prefix + "1" + "".join(CHARSET[v] for v in values)


def decode(prefix: str, text: str) -> bytes:
    if text != text.lower() and text != text.upper():
        raise ProtocolError("Bech32 in mixed case")
    found, _, rest = text.lower().rpartition("1")
    if found != prefix or len(rest) < 6 or any(c not in CHARSET for c in rest):
        raise ProtocolError(f"not a {prefix}1... text")
    values = [CHARSET.index(c) for c in rest]
    if _polymod(_expand(prefix) + values) != 1:
        raise ProtocolError("Bech32 checksum")
    return bytes(_regroup(values[:-6], 5, 8, False))
