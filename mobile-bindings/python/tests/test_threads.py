"""Cancelling, and many calls at once."""

import asyncio
import threading

import countersign_mobile as cm
import pytest
from app import Ui
from seeds import another


async def cancelled(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def prompted(phone, keychain):
    """A request, and an approval of it whose person is being asked to unlock."""
    job, number, request = await phone.asked()
    keychain.answer.clear()
    keychain.asked.clear()
    approving = asyncio.create_task(phone.app.approve(request.id, number, None, False, None))
    await asyncio.wait_for(keychain.asked.wait(), 30)
    return job, number, request, approving


async def test_an_approval_that_is_cancelled_while_the_person_is_asked(phone, device):
    job, number, request, approving = await prompted(phone, device.keychain)
    await cancelled(approving)
    # The prompt goes away too, although nothing else happens in this loop.
    await asyncio.wait_for(device.keychain.cancelled.wait(), 5)
    assert [it.id for it in phone.app.pending()] == [request.id] and job.out == ""

    device.keychain.answer.set()
    await phone.app.approve(request.id, number, None, False, None)
    assert await job.end() == 0, job.err


async def test_a_prompt_ends_with_its_request(phone, device, refused):
    job, number, request, approving = await prompted(phone, device.keychain)
    job.terminate()
    await refused(cm.AuthenticatorError.Gone, asyncio.wait_for(approving, 30))
    await asyncio.wait_for(device.keychain.cancelled.wait(), 5)
    assert await job.end() == 130 and job.out == ""


async def test_a_prompt_that_is_taken_back(phone, device, refused):
    job, number, request, approving = await prompted(phone, device.keychain)
    phone.app.cancel_unlock()
    assert "cancelled" in await refused(cm.AuthenticatorError.Unlock, asyncio.wait_for(approving, 30))
    await asyncio.wait_for(device.keychain.cancelled.wait(), 5)
    device.keychain.answer.set()
    await phone.app.approve(request.id, number, None, False, None)
    assert await job.end() == 0, job.err


async def test_a_pairing_that_is_cancelled(device, laptop):
    app = await device.create()
    pair, code = await laptop.pairs()
    ui = Ui()
    pairing = asyncio.create_task(app.pair(code, ui))
    _, digits = await asyncio.wait_for(ui.digits, 30)
    await cancelled(pairing)
    assert app.pairings() == []
    await pair.say(digits)
    assert await pair.end() in (203, 204), pair.err


async def test_twenty_calls_at_once(device):
    app = await device.create()
    names = [f"seed-{index:02}" for index in range(20)]
    calls = [app.enroll(cm.SeedImport.from_text(another(name)), [0], []) for name in names]
    enrolled = await asyncio.gather(*calls)
    assert [it.label for [it] in enrolled] == [f"ACME:{name}" for name in names]
    del app
    app = await device.open()
    assert sorted(seed.label for seed in app.seeds()) == [f"ACME:{name}" for name in names]


async def test_a_request_is_approved_by_one_of_twenty(phone):
    job, number, request = await phone.asked()
    calls = [phone.app.approve(request.id, number, None, False, None) for _ in range(20)]
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert done.count(None) == 1, done
    assert all(isinstance(it, cm.AuthenticatorError.Gone) for it in done if it), done
    assert await job.end() == 0 and len(job.out.split()) == 1


async def test_reading_from_many_threads_while_the_phone_works(phone):
    job, number, request = await phone.asked()
    failures, stop = [], threading.Event()

    def read():
        app = phone.app
        while not stop.is_set():
            try:
                assert [app.identity().name, app.seeds()[0].label, app.pairings()[0].name] == ["pixel", "ACME:release", "acme/widget"]
                assert len(app.pending()) <= 1 and len(app.connections()) == 1 and app.history()
            except Exception as problem:
                failures.append(problem)
                return

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    await phone.app.approve(request.id, number, None, False, None)
    ended = await job.end()
    stop.set()
    for reader in readers:
        reader.join(30)
    assert (failures, ended) == ([], 0)
