"""Backups: they open with `age -d`, a new phone takes the old one's place, and what is no backup is told apart."""

import age_tool
import cbor2
import countersign_mobile as cm
import pytest
from app import Device
from seeds import LABEL, URI

error = cm.AuthenticatorError
PASSPHRASE = "correct horse battery"


async def enrolled(device):
    app = await device.create()
    await app.enroll(cm.SeedImport.from_text(URI), [0], [])
    device.keychain.reasons.clear()
    return app


@pytest.mark.parametrize("with_unlock_key", [True, False])
async def test_age_opens_it(device, with_unlock_key):
    app = await enrolled(device)
    backup = await app.back_up(PASSPHRASE, with_unlock_key)
    assert len(device.keychain.reasons) == int(with_unlock_key)
    assert not [secret for secret in device.secrets() if secret in backup]
    status, plain = await age_tool.decrypt(backup, PASSPHRASE)
    assert status == 0, plain
    held = cbor2.loads(plain)
    assert held["v"] == 1 and held["device"] == device.keychain.ordinary["device-root"]
    assert held["unlock"] == (device.keychain.protected["unlock-root"] if with_unlock_key else None)
    status, _ = await age_tool.decrypt(backup, "another passphrase")
    assert status == 1


async def test_what_age_encrypts_is_read(device):
    backup = await (await enrolled(device)).back_up(PASSPHRASE, True)
    _, plain = await age_tool.decrypt(backup, PASSPHRASE)
    new = Device()
    app = await cm.Authenticator.restore(await age_tool.encrypt(plain, PASSPHRASE), PASSPHRASE, *new.parts)
    assert [it.label for it in app.seeds()] == [LABEL]


async def test_a_new_phone_takes_the_place_of_the_old(phone, device):
    backup = await phone.app.back_up(PASSPHRASE, True)
    identity, pairings = phone.app.identity(), phone.app.pairings()
    await phone.app.disconnect()
    phone.device = new = Device()
    phone.app = await cm.Authenticator.restore(backup, PASSPHRASE, *new.parts)
    assert (phone.app.identity(), phone.app.pairings()) == (identity, pairings)
    await phone.app.connect()
    job, number, request = await phone.asked()
    await phone.app.approve(request.id, number, None, False, None)
    assert await job.end() == 0, job.err
    # The same hardware is not overwritten.
    with pytest.raises(error.SetUp):
        await cm.Authenticator.restore(backup, PASSPHRASE, *new.parts)


async def test_a_new_fingerprint_destroys_the_key_and_a_backup_brings_it_back(phone, device, refused):
    backup = await phone.app.back_up(PASSPHRASE, True)
    without = await phone.app.back_up(PASSPHRASE, False)
    job, number, request = await phone.asked()
    keychain = device.keychain
    keychain.problem, kept = cm.KeychainError.Invalidated(), keychain.protected.pop("unlock-root")
    assert "from a backup" in await refused(error.SetUp, phone.app.approve(request.id, number, None, False, None))
    assert [it.id for it in phone.app.pending()] == [request.id]
    keychain.problem = None
    await refused(error.BadInput, phone.app.restore_unlock_key(without, PASSPHRASE))
    other = await (await enrolled(Device())).back_up(PASSPHRASE, True)
    await refused(error.SetUp, phone.app.restore_unlock_key(other, PASSPHRASE))
    await phone.app.restore_unlock_key(backup, PASSPHRASE)
    assert keychain.protected == {"unlock-root": kept}
    await phone.app.approve(request.id, number, None, False, None)
    assert await job.end() == 0, job.err


async def test_what_is_no_backup(device, refused):
    app = await enrolled(device)
    await refused(error.BadInput, app.back_up("eleven chrs", False))
    backup = await app.back_up(PASSPHRASE, True)
    _, plain = await age_tool.decrypt(backup, PASSPHRASE)
    later = cbor2.dumps(cbor2.loads(plain) | {"v": 2, "more": "of it"})
    for bytes, passphrase, says in [
        (backup, "correct horse batterx", "not the passphrase"),
        (backup[:-1], PASSPHRASE, "cut or damaged"),
        (backup[:100], PASSPHRASE, "cut or damaged"),
        (b"", PASSPHRASE, "cut or damaged"),
        (b"hello", PASSPHRASE, "cut or damaged"),
        (await age_tool.encrypt(b"hello", PASSPHRASE), PASSPHRASE, "no backup"),
        (await age_tool.encrypt(later, PASSPHRASE), PASSPHRASE, "later version"),
    ]:
        new = Device()
        assert says in await refused(error.BadInput, cm.Authenticator.restore(bytes, passphrase, *new.parts))
        assert (new.storage.blobs, new.secrets()) == ({}, []), "nothing is left behind"
