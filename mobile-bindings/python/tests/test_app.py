"""What the app around the engine does wrong: its errors say what to do, and what it lets slip stays inside."""

import countersign_mobile as cm
import pytest
from app import Device
from seeds import LABEL, SECRET, URI, another

error = cm.AuthenticatorError


def seed(uri=URI):
    return cm.SeedImport.from_text(uri)


async def test_a_seed_goes_in_and_nothing_secret_comes_out(device, harmless):
    app = await device.create()
    imported = seed()
    [entry] = imported.entries()
    assert (entry.label, entry.problem) == (LABEL, None)
    [enrolled] = await app.enroll(imported, [0], [])
    assert enrolled.label == LABEL and device.keychain.reasons == [f"Seal {LABEL}"]
    [known] = app.seeds()
    assert (known.label, known.last_used) == (LABEL, None)
    again = await app.import_sealed(enrolled.sealed)
    assert again.id == known.id
    for shown in [imported, entry, imported.part(), enrolled, known, again, app.identity(), app]:
        harmless(repr(shown))
        harmless(str(shown))
    assert app.identity().recipient.startswith("age1")
    assert (app.pairings(), app.pending(), app.history(), app.connections()) == ([], [], [], [])
    # What is stored is encrypted.
    for blob in device.storage.blobs.values():
        assert not [it for it in [SECRET.encode(), b"ACME", *device.secrets()] if it in blob]


async def test_it_opens_again_from_the_same_storage(device):
    app = await device.create()
    await app.enroll(seed(), [0], [])
    identity = app.identity()
    del app
    app = await device.open()
    assert [it.label for it in app.seeds()] == [LABEL] and app.identity() == identity
    assert len(device.keychain.reasons) == 1, "opening unlocks nothing"


async def test_what_can_not_work_asks_nobody_to_unlock(device, refused):
    app = await device.create()
    await refused(error.BadInput, app.enroll(seed(), [1], []))
    await refused(error.BadInput, app.enroll(seed(), [], []))
    await refused(error.BadInput, app.enroll(seed(), [0], ["age1nonsense"]))
    await refused(error.BadInput, app.import_sealed("not base64url!"))
    await refused(error.BadInput, app.import_sealed("AAAA"))
    await refused(error.BadInput, app.trust("short"))
    await refused(error.Gone, app.deny("00" * 16, "no"))
    await refused(error.Gone, app.block("00" * 16))
    await refused(error.Gone, app.approve("00" * 16, "123456", None, True, seed()))
    await refused(error.Gone, app.revoke("no such id"))
    await refused(error.Gone, app.remove_seed("00" * 16))
    await refused(error.Gone, app.allow("00" * 16, "00" * 16, True))
    assert device.keychain.reasons == []


async def test_opening_and_creating_where_it_does_not_fit(device, refused):
    await device.create()
    await refused(error.SetUp, device.create())
    other = Device()
    await refused(error.SetUp, other.open())
    await refused(error.SetUp, cm.Authenticator.open(other.storage, device.keychain, device.observer))
    for root in [None, bytes(32), bytes(31)]:
        if root is not None:
            other.keychain.ordinary["device-root"] = root
        await refused(error.SetUp, cm.Authenticator.open(device.storage, other.keychain, device.observer))
    remains = await cm.find_phone(other.storage, device.keychain)
    assert isinstance(remains, cm.Found.REMAINS) and "files" in remains.problem
    await device.open()


async def test_what_was_lost_is_known_until_it_is_accepted(device):
    app = await device.create()
    await app.enroll(seed(), [0], [])
    del app
    device.storage.blobs["seeds"] = b"x"
    app = await device.open()
    await app.enroll(seed(another("other")), [0], [])
    assert app.lost() == [cm.LostPart.SEEDS]
    del app
    app = await device.open()
    assert (len(app.seeds()), app.lost()) == (1, [cm.LostPart.SEEDS])
    await app.accept_loss()
    assert app.lost() == []
    del app
    assert (await device.open()).lost() == []


CANNOT_UNLOCK = [
    (cm.KeychainError.Cancelled(), error.Unlock, "cancelled"),
    (cm.KeychainError.WrongPassphrase(), error.Unlock, "wrong"),
    (cm.KeychainError.NotRecognised(), error.Unlock, "did not recognise"),
    (cm.KeychainError.LockedOut(), error.Unlock, "too many attempts"),
    (cm.KeychainError.Invalidated(), error.SetUp, "from a backup"),
    (cm.KeychainError.Missing(), error.SetUp, "from a backup"),
    (cm.KeychainError.Unavailable(detail="set a passcode first"), error.Unlock, "set a passcode first"),
    (RuntimeError(f"a text that must not get out: {SECRET}"), error.Unlock, "unexpected"),
]


@pytest.mark.parametrize(("problem", "kind", "text"), CANNOT_UNLOCK)
async def test_the_keychain_does_not_unlock(device, refused, problem, kind, text):
    app = await device.create()
    device.keychain.problem = problem
    assert text in await refused(kind, app.enroll(seed(), [0], []))
    assert app.seeds() == []
    device.keychain.problem = None
    await app.enroll(seed(), [0], [])
    device.keychain.protected["unlock-root"] = bytes(32)
    await refused(error.SetUp, app.enroll(seed(), [0], []))


async def test_a_request_waits_on_while_the_keychain_does_not_unlock(phone, device, refused):
    job, number, request = await phone.asked()
    for problem, kind, text in CANNOT_UNLOCK:
        device.keychain.problem = problem
        assert text in await refused(kind, phone.app.approve(request.id, number, None, False, None))
        assert [it.id for it in phone.app.pending()] == [request.id]
    device.keychain.problem = None
    await phone.app.approve(request.id, number, None, False, None)
    assert await job.end() == 0, job.err


@pytest.mark.parametrize(
    ("problem", "text"),
    [(cm.StorageError.Failed(detail="the disk is full; make room"), "make room"), (RuntimeError(f"must not get out: {SECRET}"), "unexpected")],
)
async def test_the_storage_is_full(phone, device, refused, problem, text):
    job, number, request = await phone.asked()
    before = dict(device.storage.blobs)
    device.storage.problem = problem
    assert text in await refused(error.Storage, phone.app.enroll(seed(another("other")), [0], []))
    assert text in await refused(error.Storage, phone.app.approve(request.id, number, None, False, None))
    assert [it.label for it in phone.app.seeds()] == [LABEL] and device.storage.blobs == before
    device.storage.problem = None
    assert [it.id for it in phone.app.pending()] == [request.id]
    await phone.app.approve(request.id, number, None, False, None)
    assert await job.end() == 0, job.err


async def test_the_third_write_fails(device, refused):
    device.storage.fails_at = 3
    assert await device.find() == cm.Found.NO_PHONE()
    assert "make room" in await refused(error.Storage, device.create())
    # Nothing half-made is in the way.
    assert await device.find() == cm.Found.NO_PHONE()
    app = await device.create()
    assert await device.find() == cm.Found.PHONE()
    device.storage.writes = 0
    labels, failures = [], 0
    for name in ["a", "b", "c", "d"]:
        try:
            await app.enroll(seed(another(name)), [0], [])
        except error.Storage:
            failures += 1
            assert [it.label for it in app.seeds()] == labels, "what was not stored is not there"
            await app.enroll(seed(another(name)), [0], [])
        labels.append(f"ACME:{name}")
    assert failures == 1
    del app
    app = await device.open()
    assert sorted(it.label for it in app.seeds()) == labels


async def test_a_write_that_fails_in_the_middle_of_an_approval(phone, device, refused):
    job, number, request = await phone.asked()
    storage = device.storage
    for nth in range(1, 20):
        storage.writes, storage.fails_at = 0, nth
        try:
            await phone.app.approve(request.id, number, None, False, None)
        except error.Storage:
            assert [it.id for it in phone.app.pending()] == [request.id] and job.out == ""
        else:
            break
    assert nth > 1, "the first write failed, and the answer went out all the same"
    assert await job.end() == 0, job.err


LOST = {
    "seeds": cm.LostPart.SEEDS,
    "pairings": cm.LostPart.PAIRINGS,
    "requests": cm.LostPart.REQUESTS,
    "history": cm.LostPart.HISTORY,
    "phone": None,
    "phone-copy": None,
}


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
async def test_one_bad_blob_takes_nothing_else_with_it(phone, device, name, damage):
    job, _, request = await phone.asked()
    await phone.app.deny(request.id, "")
    assert await job.end() == 200
    identity = phone.app.identity()
    await phone.app.disconnect()
    assert set(device.storage.blobs) == {*LOST, "complete"}
    blob = device.storage.blobs[name]
    middle = len(blob) // 2
    device.storage.blobs[name] = {"flipped": blob[:middle] + bytes([blob[middle] ^ 1]) + blob[middle + 1 :], "cut": blob[:-1], "empty": b""}[damage]
    await phone.reopen()
    if LOST[name]:
        event = await device.observer.until(cm.Event.ATTENTION_NEEDED)
        assert event.attention == cm.Attention.LOST(LOST[name])
    app = phone.app
    assert app.identity() == identity
    assert bool(app.seeds()) == (name != "seeds")
    assert bool(app.pairings()) == (name != "pairings")
    assert bool(app.history()) == (name != "history")


async def test_both_copies_of_the_phone_are_bad(device, refused):
    await device.create()
    for name in ["phone", "phone-copy"]:
        device.storage.blobs[name] = b"x"
    assert "backup" in await refused(error.SetUp, device.open())


async def test_an_observer_that_fails_stops_nothing(phone, device):
    device.observer.raises = True
    job, number, request = await phone.asked()
    await phone.app.approve(request.id, number, None, False, None)
    assert await job.end() == 0, job.err


async def test_a_screen_that_fails_ends_the_pairing(device, laptop, refused):
    class Broken(cm.PairingUi):
        def show_digits(self, name, digits):
            raise RuntimeError(SECRET)

    app = await device.create()
    pair, code = await laptop.pairs()
    await refused(error.StartAgain, app.pair(code, Broken()))
    assert app.pairings() == []
    assert await pair.end() != 0


async def test_wake_ups(device, refused):
    app = await device.create()
    key = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"

    def target(endpoint="https://push.example.org/abc", p256dh=key):
        return cm.PushTarget.WEB_PUSH(endpoint=endpoint, p256dh=p256dh, auth="BTBZMqHH6r4Tts7J_aSIgg==")

    await app.register_wake_up(None, target())
    await app.register_wake_up("wss://relay.example.org", target())
    await app.register_wake_up(None, cm.PushTarget.APNS(token="ab" * 32))
    await app.remove_wake_up(None)
    await refused(error.BadInput, app.register_wake_up(None, target(endpoint="push.example.org")))
    await refused(error.BadInput, app.register_wake_up(None, target(p256dh="AAAA")))
    await refused(error.BadInput, app.register_wake_up("http://x", target()))
    await refused(error.TryAgain, app.wake_up_key("ws://127.0.0.1:9"))


async def test_it_connects_and_disconnects_as_often_as_it_likes(device):
    app = await device.create()
    for call in [app.connect, app.connect, app.network_changed, app.disconnect, app.disconnect, app.connect]:
        await call()
