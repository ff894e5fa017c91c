"""The phone engine of Countersign: an `Authenticator` with `Storage`, `Keychain` and `Observer` of yours.

Everything comes from the Rust library; the module `_generated` is made when the wheel is built. Call `uniffi_set_event_loop` with the
running loop before anything else: `Keychain.protect` and `Keychain.unlock` are awaited there. All other methods of yours are called on
threads of the engine.
"""

from ._generated import *  # noqa: F403
from ._generated import uniffi_set_event_loop  # noqa: F401
from . import _exit  # noqa: F401
