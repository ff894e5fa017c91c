import asyncio
import gc
import sys
import weakref
from pathlib import Path

import countersign_mobile as cm
import pytest
import pytest_asyncio
from app import Device, Ui
from programs import Laptop, Relay
from seeds import SECRET, URI, picture

# The client that was written from docs/PROTOCOL.md: it says what the real laptop never would.
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tests" / "python"))


@pytest_asyncio.fixture(autouse=True)
async def loop():
    loop = asyncio.get_running_loop()
    # Refuses calls from a wrong thread, which otherwise only come late.
    loop.set_debug(True)
    loop.slow_callback_duration = 10
    cm.uniffi_set_event_loop(loop)


@pytest_asyncio.fixture
async def device():
    return Device()


@pytest_asyncio.fixture
async def relay():
    relay = await Relay.start()
    yield relay
    await relay.program.kill()


@pytest_asyncio.fixture
async def laptop(relay, tmp_path):
    laptop = Laptop(tmp_path, relay)
    yield laptop
    await laptop.end()


@pytest.fixture
def harmless(device):
    """Fails on a text that shows a secret."""

    def check(text):
        shown = [SECRET, SECRET.lower(), URI]
        for secret in device.secrets():
            shown += [secret.hex(), repr(secret), str(list(secret))]
        assert text and not [secret for secret in shown if secret in text]

    return check


@pytest.fixture
def refused(harmless):
    """Awaits what must fail, and gives the text, which is for the person and shows no secret."""

    async def check(kind, call):
        with pytest.raises(kind) as caught:
            await call
        for text in (str(caught.value), repr(caught.value)):
            harmless(text)
        assert type(caught.value) is kind
        return str(caught.value)

    return check


class Phone:
    """A phone in Python, paired with the real `countersign`; dropped and opened again it is the same."""

    def __init__(self, device, laptop):
        self.device, self.laptop, self.app = device, laptop, None

    async def pair(self):
        pair, code = await self.laptop.pairs()
        ui = Ui()
        paired = asyncio.create_task(self.app.pair(code, ui))
        name, digits = await asyncio.wait_for(ui.digits, 30)
        assert name == "acme/widget"
        await pair.say(digits)
        self.pairing = await paired
        assert await pair.end() == 0, pair.err

    async def enroll(self):
        """The laptop asks for a seed, the phone has it from a picture."""
        job = await self.laptop.run("enroll", "npm")
        number = await job.match_number()
        request = await self.arrived()
        assert request.needs_seed and request.verified.kind == cm.RequestKind.ENROLL
        await self.app.approve(request.id, number, None, True, await cm.SeedImport.from_picture(picture(URI)))
        assert await job.end() == 0, job.err

    async def reopen(self):
        """Without a word to the old one, which is really gone: nobody else may hold it."""
        old, self.app = weakref.ref(self.app), None
        gc.collect()
        assert old() is None
        self.app = await self.device.open()
        await self.app.connect()

    async def arrived(self):
        return (await self.device.observer.until(cm.Event.REQUEST_ARRIVED)).request

    async def asked(self, *arguments):
        """A job asks for a code; the job, its number and the request."""
        job = await self.laptop.run("code", "npm", *arguments)
        number = await job.match_number()
        return job, number, await self.arrived()


@pytest_asyncio.fixture
async def phone(device, laptop):
    """Paired, connected, and with a seed."""
    phone = Phone(device, laptop)
    phone.app = await device.create()
    await phone.pair()
    await phone.app.connect()
    await phone.enroll()
    yield phone
    await phone.app.disconnect()
