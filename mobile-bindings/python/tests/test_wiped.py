"""What the library frees is wiped first: also the buffers that carry bytes between it and an app."""

import ctypes
import os

from countersign_mobile import _generated as generated

# Where the system's allocator makes notes of its own in memory that was freed.
NOTES = 64


def memory(address, size):
    with open("/proc/self/mem", "rb", buffering=0) as everything:
        everything.seek(address)
        return everything.read(size)


def test_a_buffer_that_was_freed_is_empty():
    secret = os.urandom(2000)
    buffer = generated._UniffiRustBuffer.alloc(len(secret))
    address = ctypes.cast(buffer.data, ctypes.c_void_p).value
    ctypes.memmove(buffer.data, secret, len(secret))
    assert memory(address, len(secret)) == secret
    buffer.free()
    assert not any(memory(address, len(secret))[NOTES:])
