#!/usr/bin/env python3
"""client.py against phone_stub.py through a real relay: test_relay.py PATH-OF-countersign-relay"""

import base64
import json
import sys
import tempfile
import time
import unittest
from pathlib import Path

from countersign_client import otp
from countersign_client.keys import CiKey
from programs import HERE, Program

URI = "otpauth://totp/ACME:release?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ACME&period=15"
SEALED = base64.urlsafe_b64encode(b"the stub takes anything").decode().rstrip("=")


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.relay = Program(RELAY, "--listen", "127.0.0.1:0")
        cls.addClassCleanup(cls.relay.stop)
        cls.url = cls.relay.line("listening on ")
        cls.uri = cls.path("uri")
        Path(cls.uri).write_text(URI, encoding="ascii")
        cls.pairing, cls.state = cls.path("pairing.json"), cls.path("phone.json")
        result = cls.pair(cls.pairing, cls.state, lambda digits: digits)
        assert (result[0][0], result[1][0]) == (0, 0), result

    @classmethod
    def path(cls, name):
        return str(Path(cls.folder.name) / name)

    @classmethod
    def pair(cls, pairing, state, digits):
        laptop = Program(sys.executable, "client.py", "pair", "--relay", cls.url, "--name", "acme/widget",
                         "--out", pairing)
        phone = Program(sys.executable, "phone_stub.py", "pair", "--state", state)
        phone.say(laptop.line())
        laptop.say(digits(phone.line()))
        return laptop.end(), phone.end()

    def phone(self, *options):
        phone = Program(sys.executable, "phone_stub.py", "serve", "--state", self.state, "--uri", self.uri, *options)
        self.addCleanup(phone.stop)
        phone.line("proved")
        return phone

    def client(self, *options):
        client = Program(sys.executable, "client.py", "code", "--pairing", self.pairing, "--sealed", SEALED, *options)
        self.addCleanup(client.stop)
        return client

    def codes(self, out, count):
        """The lines are codes of the seed, of steps in a row."""
        seed, now = otp.Otpauth(URI), int(time.time()) // 15
        known = {otp.hotp(seed.secret, s, 6, "SHA1"): s for s in range(now - 10, now + 25)}
        steps = [known[line] for line in out.splitlines()]
        self.assertEqual(steps, list(range(steps[0], steps[0] + count)))

    def test_code(self):
        phone, client = self.phone(), self.client("--reason", "release 1.2")
        phone.line("asked for 1 codes: release 1.2")
        phone.say(client.error("match number: "))
        phone.line("{'outcome': 'used'}")
        status, out, _ = client.end()
        self.assertEqual(status, 0)
        self.codes(out, 1)

    def test_batch(self):
        phone, client = self.phone(), self.client("--codes", "2")
        phone.line("asked for 2 codes")
        phone.say(client.error("match number: "))
        status, out, _ = client.end()
        self.assertEqual(status, 0)
        self.codes(out, 2)

    def test_wrong_number(self):
        phone, client = self.phone(), self.client()
        phone.line("asked")
        number = client.error("match number: ")
        phone.say(str((int(number) + 1) % 10**6).zfill(6))
        self.assertEqual(client.end(), (1, "", "refused: wrong_number\n"))

    def test_denied(self):
        phone, client = self.phone(), self.client()
        phone.line("asked")
        phone.say("deny not today")
        self.assertIn("refused: denied: not today", client.end()[2])

    def test_resume(self):
        phone, client = self.phone("--drop-after-m3"), self.client()
        phone.line("asked")
        phone.line("lost")
        phone.line("proved")
        phone.line("resumed")
        phone.say(client.error("match number: "))
        status, out, _ = client.end()
        self.assertEqual(status, 0)
        self.codes(out, 1)

    def test_interrupted(self):
        phone, client = self.phone(), self.client()
        phone.line("asked")
        client.error("match number: ")
        client.child.send_signal(2)
        self.assertEqual(client.end()[0], 1)
        phone.say("deny")
        phone.line("{'cancel': 'interrupted'}")

    def test_wrong_digits(self):
        pairing, state = self.path("other.json"), self.path("other-phone.json")
        laptop, phone = self.pair(pairing, state, lambda digits: "000000" if digits != "000000" else "000001")
        self.assertIn("wrong digits", laptop[2])
        self.assertIn("not paired", phone[2])
        self.assertFalse(Path(pairing).exists() or Path(state).exists())

    def test_wrong_key(self):
        """Somebody with the ticket and sender key but another psk."""
        self.phone()
        values = json.loads(Path(self.pairing).read_text(encoding="utf-8"))
        values["ci_key"] = CiKey(CiKey.decode(values["ci_key"]).ci_root, bytes(32)).encode()
        other = self.path("wrong-key.json")
        Path(other).write_text(json.dumps(values), encoding="utf-8")
        client = self.client("--pairing", other)
        self.assertEqual(client.end()[2], "refused: refused\n")


if __name__ == "__main__":
    RELAY = sys.argv.pop(1)
    unittest.main()
