"""The whole of it: a phone in Python, the real relay, the real `countersign`."""

import asyncio
import time

import countersign_mobile as cm
import pytest
from seeds import LABEL, TOTP, step


def code_of(job, since):
    """The code that a job printed, which is that of a step since then by another library's reckoning."""
    code = job.out.removesuffix("\n")
    assert code in {TOTP.at(it * TOTP.interval) for it in range(step(since), step(time.time()) + 1)}, job.out
    assert code not in job.err, "the code is on standard output alone"
    return code


async def test_pair_enroll_approve_deny_mistype(phone, device, laptop):
    app = phone.app
    assert [seed.label for seed in app.seeds()] == [LABEL]
    assert [(it.name, it.relay) for it in app.pairings()] == [("acme/widget", laptop.relay.url)]

    # A yes.
    since = time.time()
    job, number, request = await phone.asked("--reason", "release 1.2")
    verified, claimed = request.verified, request.claimed
    assert (verified.pairing, verified.seed, verified.codes, verified.first_use) == ("acme/widget", LABEL, 1, False)
    assert (claimed.seed_name, claimed.reason) == ("npm", "release 1.2")
    await app.approve(request.id, number, None, False, None)
    gone = await device.observer.until(cm.Event.REQUEST_GONE)
    assert (gone.id, gone.why) == (request.id, cm.Gone.ANSWERED)
    assert await job.end() == 0, job.err
    first = code_of(job, since)

    # A no.
    job, _, request = await phone.asked()
    await app.deny(request.id, "not on a friday")
    assert await job.end() == 200 and job.out == "" and "not on a friday" in job.err

    # A wrong number.
    job, number, request = await phone.asked()
    with pytest.raises(cm.AuthenticatorError.WrongNumber):
        await app.approve(request.id, "000001" if number == "000000" else "000000", None, False, None)
    assert await job.end() == 202 and job.out == ""

    # The app is dropped while a request waits; the job goes on, with a new number.
    since = time.time()
    job, _, request = await phone.asked()
    del app
    await phone.reopen()
    again = await phone.arrived()
    assert again.verified == request.verified
    await phone.app.approve(again.id, await job.match_number(), None, False, None)
    assert await job.end() == 0, job.err
    assert code_of(job, since) != first, "no step is issued twice"

    # The job has said that it used the code.
    await device.observer.until(cm.Event.SETTLED, lambda _: phone.app.history()[-1].outcome == cm.HistoryOutcome.USED)
    outcomes = [entry.outcome for entry in phone.app.history()]
    of = cm.HistoryOutcome
    assert outcomes == [of.ENROLLED, of.USED, of.DENIED, of.WRONG_NUMBER, of.USED]
