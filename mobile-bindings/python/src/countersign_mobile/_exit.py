"""The engine's threads call Python, and before 3.14 CPython aborts the process if one does so when the interpreter is ending. So everything of the
engine is closed before, and what it gives back is waited for."""

import atexit
import gc
import time

from . import _generated as made

# Disconnecting takes two seconds at the most.
PATIENCE = 5
HELD = [kind._handle_map for kind in (made._UniffiFfiConverterTypeKeychain, made._UniffiFfiConverterTypeObserver,
                                      made._UniffiFfiConverterTypePairingUi, made._UniffiFfiConverterTypeStorage)]


def close():
    for it in gc.get_objects():
        if type(it) is made.Authenticator and getattr(it, "_handle", None) is not None:
            it.__del__()
            it._handle = None
    deadline = time.monotonic() + PATIENCE
    while any(map(len, HELD)) and time.monotonic() < deadline:
        time.sleep(0.01)
    # The last one is still on its way out of Python.
    time.sleep(0.02)


atexit.register(close)
