"""What an app brings, in memory."""

import asyncio

import countersign_mobile as cm


class Storage(cm.Storage):
    def __init__(self):
        self.blobs, self.problem, self.writes, self.fails_at = {}, None, 0, None

    def load(self, name):
        return self.blobs.get(name)

    def save(self, name, bytes):
        if self.problem:
            raise self.problem
        self.writes += 1
        if self.writes == self.fails_at:
            raise cm.StorageError.Failed(detail="the disk is full; make room")
        self.blobs[name] = bytes


class Keychain(cm.Keychain):
    def __init__(self):
        self.ordinary, self.protected, self.problem, self.reasons = {}, {}, None, []
        # The person, who takes as long as they do.
        self.asked, self.answer, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.answer.set()

    def load(self, name):
        return self.ordinary.get(name)

    def store(self, name, secret):
        self.ordinary[name] = secret

    async def protect(self, name, secret, reason):
        self.protected[name] = secret

    async def unlock(self, name, reason):
        self.reasons.append(reason)
        self.asked.set()
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.problem:
            raise self.problem
        return self.protected[name]


class Observer(cm.Observer):
    """Hands events to the loop, and looks on as an app that is broken."""

    def __init__(self):
        self.loop, self.events, self.raises = asyncio.get_running_loop(), asyncio.Queue(), False

    def on_event(self, event):
        self.loop.call_soon_threadsafe(self.events.put_nowait, event)
        if self.raises:
            raise RuntimeError("an observer that fails is none of the engine's business")

    async def until(self, kind, is_it=lambda event: True):
        async with asyncio.timeout(30):
            while True:
                event = await self.events.get()
                if isinstance(event, kind) and is_it(event):
                    return event


class Ui(cm.PairingUi):
    def __init__(self):
        self.loop, self.digits = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def show_digits(self, name, digits):
        self.loop.call_soon_threadsafe(self.digits.set_result, (name, digits))


class Device:
    """A phone's hardware: it outlives the app."""

    def __init__(self):
        self.storage, self.keychain, self.observer = Storage(), Keychain(), Observer()

    @property
    def parts(self):
        return self.storage, self.keychain, self.observer

    async def find(self):
        return await cm.find_phone(self.storage, self.keychain)

    async def create(self, name="pixel"):
        return await cm.Authenticator.create(name, *self.parts)

    async def open(self):
        self.observer = Observer()
        return await cm.Authenticator.open(*self.parts)

    def secrets(self):
        return [*self.keychain.ordinary.values(), *self.keychain.protected.values()]
