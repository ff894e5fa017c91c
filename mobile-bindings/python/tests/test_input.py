"""What comes from outside: pairing codes, pictures, names, relays."""

import asyncio
import base64

import countersign_mobile as cm
import pytest
from app import Device, Ui
from countersign_client import bech32, keys, pairing, request
from seeds import LABEL, SECRET, URI, another, blank, picture, picture_of_several

error = cm.AuthenticatorError
HOSTILE = ["a\u202eb", "a\nb", "a\0b", "a\u200bb", "x" * 100]
MISLEADING = {"\u202e", "\n", "\0", "\u200b", "\u2066"}


def code(version=1, relay="wss://relay.example.org"):
    return bech32.encode("countersign-pair-", bytes([version, 0]) + bytes(32) + bytes(32) + bytes(16) + relay.encode()).upper()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("https://example.org/", "COUNTERSIGN-PAIR-1"),
        ("", "COUNTERSIGN-PAIR-1"),
        (URI, "COUNTERSIGN-PAIR-1"),
        (code()[:-1], "damaged or cut"),
        (code()[:30] + "P" + code()[31:], "damaged or cut"),
        (code(version=2), "update"),
        (code(relay="ws://relay.example.org"), "wss://"),
        (code(relay="http://relay.example.org"), "wss://"),
    ],
)
async def test_pairing_codes_that_are_none(device, refused, text, says):
    app = await device.create()
    assert says in await refused(error.BadInput, app.pair(text, Ui()))
    assert app.pairings() == []


async def test_a_relay_that_is_not_there(device, relay, refused):
    app = await device.create()
    free = await relay.kill()
    assert "still good" in await refused(error.TryAgain, app.pair(code(relay=f"ws://{free}"), Ui()))


async def paired(app, laptop):
    ui = Ui()

    async def digits():
        return (await ui.digits)[1]

    return await asyncio.gather(pairing.pair(laptop, digits), app.pair(laptop.code, ui))


async def test_a_pairing_code_that_was_used(device, relay, refused):
    app, laptop = await device.create(), pairing.Laptop("python", relay.url)
    await paired(app, laptop)
    assert "used before" in await refused(error.StartAgain, app.pair(laptop.code, Ui()))
    other = await Device().create("other")
    assert "used before" in await refused(error.StartAgain, other.pair(laptop.code, Ui()))
    assert len(app.pairings()) == 1 and other.pairings() == []


async def test_wrong_digits(device, laptop, refused):
    app = await device.create()
    pair, text = await laptop.pairs()
    ui = Ui()
    answer = asyncio.create_task(refused(error.StartAgain, app.pair(text, ui)))
    _, digits = await ui.digits
    await pair.say("000001" if digits == "000000" else "000000")
    assert await pair.end() == 202
    assert "digits were wrong" in await answer
    assert app.pairings() == []


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_laptop_with_a_hostile_name(device, relay, refused, name):
    app, laptop = await device.create(), pairing.Laptop("python", relay.url)
    laptop.name = name
    ui = Ui()

    async def digits():
        return (await ui.digits)[1]

    run = asyncio.create_task(pairing.pair(laptop, digits))
    text = await refused(error.StartAgain, app.pair(laptop.code, ui))
    assert not MISLEADING & set(text) and name not in text
    assert app.pairings() == [] and not ui.digits.done()
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def test_two_laptops_of_one_name(device, relay):
    app = await device.create()
    for _ in range(2):
        await paired(app, pairing.Laptop("python", relay.url))
    first, second = [it.name for it in app.pairings()]
    assert first != second and second.startswith("python")


@pytest.mark.parametrize("name", [*HOSTILE, "x" * 10_000])
async def test_a_phone_with_a_hostile_name(device, name):
    shown = (await device.create(name)).identity().name
    assert 0 < len(shown) <= 64 and not MISLEADING & set(shown)


@pytest.mark.parametrize("reason", HOSTILE[:4] + ["x" * 200])
async def test_a_job_with_a_hostile_reason(device, relay, monkeypatch, reason):
    app, laptop = await device.create(), pairing.Laptop("python", relay.url)
    made, _ = await paired(app, laptop)
    [enrolled] = await app.enroll(cm.SeedImport.from_text(URI), [0], [])
    await app.connect()
    monkeypatch.setattr(keys, "clean", lambda text, most: text)
    sealed = base64.urlsafe_b64decode(enrolled.sealed + "=" * (-len(enrolled.sealed) % 4))
    run = request.Run(made, sealed, 1, lambda number: None, None, seed_name="npm", reason=reason)
    # Our own client cleans what it says; whoever does not is turned away before anything is shown.
    with pytest.raises(request.Refused, match="malformed"):
        await run()
    assert app.pending() == []


async def test_a_request_that_expires(phone, device, refused):
    job, number, request = await phone.asked("--timeout", "5s")
    gone = await device.observer.until(cm.Event.REQUEST_GONE)
    assert (gone.id, gone.why) == (request.id, cm.Gone.WITHDRAWN)
    await refused(error.Gone, phone.app.approve(request.id, number, None, False, None))
    assert await job.end() == 201 and job.out == ""
    assert phone.app.history()[-1].outcome in (cm.HistoryOutcome.EXPIRED, cm.HistoryOutcome.WITHDRAWN)


async def test_a_relay_that_comes_back(phone, laptop, relay):
    address = await relay.kill()
    states = phone.device.observer
    await states.until(cm.Event.CONNECTION_CHANGED, lambda it: isinstance(it.connection.state, cm.LinkState.WAITING))
    again = await type(relay).start(address)
    try:
        await phone.app.network_changed()
        await states.until(cm.Event.CONNECTION_CHANGED, lambda it: isinstance(it.connection.state, cm.LinkState.CONNECTED))
        job, number, request = await phone.asked()
        await phone.app.approve(request.id, number, None, False, None)
        assert await job.end() == 0, job.err
        await phone.app.disconnect()
    finally:
        await again.program.kill()


async def test_a_picture_of_a_seed():
    found = await cm.SeedImport.from_picture(picture(URI))
    assert [it.label for it in found.entries()] == [LABEL] and (found.part().number, found.part().of) == (1, 1)
    # One seed beside the QR code of something else is no riddle.
    found = await cm.SeedImport.from_picture(picture_of_several(URI, "https://example.org"))
    assert [it.label for it in found.entries()] == [LABEL]


@pytest.mark.parametrize(
    ("bytes", "says"),
    [
        (b"", "neither PNG nor JPEG"),
        (b"GIF89a", "neither PNG nor JPEG"),
        (picture(URI)[:200], "damaged"),
        (blank(), "no QR code"),
        (picture("https://example.org"), "not an otpauth URI"),
        (picture_of_several(URI, another("other")), "more than one"),
        (picture("otpauth://hotp/ACME:x?counter=1&secret=" + SECRET), "counter"),
    ],
)
async def test_pictures_without_one_seed(harmless, bytes, says):
    with pytest.raises(error.BadInput) as caught:
        await cm.SeedImport.from_picture(bytes)
    assert says in str(caught.value)
    harmless(str(caught.value))


@pytest.mark.parametrize(
    "uri",
    [
        "hello",
        f"otpauth://hotp/x?secret={SECRET}",
        f"otpauth://totp/x?secret={SECRET}!",
        f"otpauth://totp/a%E2%80%AEb?secret={SECRET}",
        f"otpauth://totp/a%0Ab?secret={SECRET}",
        f"otpauth://totp/{'x' * 10_000}?secret={SECRET}",
        f"otpauth://totp/{'x' * 200}?secret={SECRET}",
        "otpauth-migration://offline?data=AAAA",
    ],
)
def test_texts_without_a_seed(harmless, uri):
    with pytest.raises(error.BadInput) as caught:
        cm.SeedImport.from_text(uri)
    harmless(str(caught.value))
    assert len(str(caught.value)) < 200
