#!/usr/bin/env python3
"""client.py against the real relay and the real terminal phone: test_phone.py COUNTERSIGN-RELAY COUNTERSIGN-PHONE"""

import sys
import tempfile
import time
from pathlib import Path

from countersign_client import otp
from programs import Program

URI = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME"
PASSPHRASE = "correct horse"
RELAY, PHONE = sys.argv[1:]


def check(program, what):
    status, out, err = program.end()
    assert status == 0, f"{what}: {status}\n{out}\n{err}"
    return out


with tempfile.TemporaryDirectory() as folder:
    state, pairing = str(Path(folder) / "state"), str(Path(folder) / "pairing.json")

    def phone(*arguments):
        return Program(PHONE, "--state", state, *arguments)

    relay = Program(RELAY, "--listen", "127.0.0.1:0")
    url = relay.line("listening on ")
    try:
        new = phone("init", "--name", "pixel")
        new.say(PASSPHRASE)
        check(new, "init")

        enrolling = phone("enroll")
        enrolling.say(URI)
        enrolling.say(PASSPHRASE)
        sealed = check(enrolling, "enroll").split('sealed = "')[1].split('"')[0]

        laptop = Program(sys.executable, "client.py", "pair", "--relay", url, "--name", "python", "--out", pairing)
        scanning = phone("pair", "-")
        scanning.say(laptop.line())
        laptop.say(scanning.line())
        check(laptop, "pair, the client")
        check(scanning, "pair, the phone")

        asked = phone("run", "--once")
        client = Program(sys.executable, "client.py", "code", "--pairing", pairing, "--sealed", sealed, "--codes", "2")
        number = client.error("match number: ")
        for line in ("yes", number, "1", PASSPHRASE):
            asked.say(line)
        code = check(client, "code").strip()
        check(asked, "run")
    finally:
        relay.stop()

seed, now = otp.Otpauth(URI), int(time.time()) // 30
assert code in {otp.hotp(seed.secret, step, 6, "SHA1") for step in range(now - 3, now + 4)}, code
print("1 passed, 0 failed")
