"""Canonical CBOR as section 5.1 has it: keys in the order of the tables, so not cbor2's canonical (sorted) mode."""

import io

import cbor2

from . import ProtocolError


def encode(value) -> bytes:
    return cbor2.dumps(value)


def decode(data: bytes):
    try:
        with io.BytesIO(data) as f:
            value = cbor2.load(f)
            rest = f.read()
    except Exception as e:
        raise ProtocolError("CBOR") from e
    if rest or encode(value) != data:
        raise ProtocolError("CBOR is not in canonical form")
    return value


def fields(value, *names):
    """The values of a map that has exactly these keys in this order."""
    if not isinstance(value, dict) or list(value) != list(names):
        raise ProtocolError("keys")
    return list(value.values())


def is_uint(value, most=2**64 - 1) -> bool:
    return type(value) is int and 0 <= value <= most


def is_bytes(value, *lengths) -> bool:
    return type(value) is bytes and (not lengths or len(value) in lengths)


def require(condition, what="value out of range"):
    if not condition:
        raise ProtocolError(what)
