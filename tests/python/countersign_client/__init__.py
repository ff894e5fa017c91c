"""A Countersign CI client in Python, written from docs/PROTOCOL.md alone."""


class ProtocolError(Exception):
    """The peer (or a file) broke the protocol; nothing that follows from it is used."""
