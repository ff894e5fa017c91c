"""Who may use which seed, and what is taken back."""

import base64
import hashlib

import countersign_mobile as cm
import pytest
from seeds import LABEL, URI, picture

error = cm.AuthenticatorError


async def test_a_seed_that_was_not_granted(phone, refused):
    [seed], [pairing] = phone.app.seeds(), phone.app.pairings()
    await phone.app.allow(pairing.id, seed.id, False)
    assert phone.app.pairings()[0].seeds == [cm.SeedRight(label=LABEL, allowed=False)]
    job = await phone.laptop.run("code", "npm")
    assert await job.end() == 205 and job.out == ""
    assert phone.app.pending() == []


async def test_a_first_use_without_a_grant(phone, refused):
    seed = cm.SeedImport.from_text(URI)
    await phone.app.remove_seed(phone.app.seeds()[0].id)
    [enrolled] = await phone.app.enroll(seed, [0], [])
    config = phone.laptop.folder / "countersign.toml"
    before = config.read_text()
    [old] = [line for line in before.splitlines() if line.startswith("sealed")]
    config.write_text(before.replace(old, f'sealed = "{enrolled.sealed}"'))
    job, number, request = await phone.asked()
    assert request.verified.first_use
    await refused(error.NotAllowed, phone.app.approve(request.id, number, None, False, None))
    assert await job.end() == 205 and job.out == ""
    assert phone.app.pending() == []


async def test_blocked(phone):
    job, _, request = await phone.asked()
    await phone.app.block(request.id)
    assert phone.app.pairings() == []
    assert await job.end() == 200 and job.out == ""


async def test_fewer_codes_than_asked_for(phone, refused):
    job, number, request = await phone.asked("--codes", "2")
    assert request.verified.codes == 2
    await refused(error.BadInput, phone.app.approve(request.id, number, 3, False, None))
    await phone.app.approve(request.id, number, 1, False, None)
    assert await job.end() == 0 and len(job.out.split()) == 1
    assert phone.app.history()[-1].codes == 1


def field(number, value):
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


async def test_an_export_of_google_authenticator(device):
    app = await device.create()

    def account(name, kind):
        return field(1, hashlib.sha256(name).digest()[:20]) + field(2, name) + field(3, b"ACME") + field(4, 1) + field(5, 1) + field(6, kind)

    export = b"".join(field(1, account(*it)) for it in [(b"a", 2), (b"counts", 1), (b"b", 2)]) + field(2, 1) + field(3, 2) + field(4, 0)
    text = "otpauth-migration://offline?data=" + base64.b64encode(export).decode().replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    found = await cm.SeedImport.from_picture(picture(text))
    assert (found.part().number, found.part().of) == (1, 2)
    entries = found.entries()
    assert [it.label.removeprefix("ACME:") for it in entries] == ["a", "counts", "b"]
    assert [bool(it.problem) for it in entries] == [False, True, False]
    with pytest.raises(error.BadInput):
        await app.enroll(found, [0, 1], [])
    assert [it.label for it in await app.enroll(found, [0, 2], [])] == ["ACME:a", "ACME:b"]
    assert len(device.keychain.reasons) == 1, "the person is asked once"
