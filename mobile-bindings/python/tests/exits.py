"""A script that ends with phones still at work: test_exit.py runs it."""

import asyncio
import sys

import countersign_mobile as cm
from app import Device, Ui

kept = []


async def main(relay):
    cm.uniffi_set_event_loop(asyncio.get_running_loop())
    from countersign_client import pairing

    for _ in range(5):
        device = Device()
        phone = await device.create()
        laptop, ui = pairing.Laptop("python", relay), Ui()

        async def digits(ui=ui):
            return (await ui.digits)[1]

        await asyncio.gather(pairing.pair(laptop, digits), phone.pair(laptop.code, ui))
        await phone.connect()
        kept.append(phone if sys.argv[2] == "kept" else None)
    # One that waits for the person for ever.
    device.keychain.answer.clear()
    asking = asyncio.create_task(phone.back_up("correct horse battery", True))
    await device.keychain.asked.wait()
    assert not asking.done()


sys.path.insert(0, sys.argv[3])
asyncio.run(main(sys.argv[1]))
