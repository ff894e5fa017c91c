"""The bindings from the outside: storage, keychain and observer in Python, every error a Python exception, no secret in any text."""

import unittest

import countersign_mobile as cm

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
URI = f"otpauth://totp/ACME:release?secret={SECRET}&issuer=ACME"


class Storage(cm.Storage):
    def __init__(self):
        self.state, self.broken, self.strange = None, False, False

    def load(self):
        return self.state

    def save(self, state):
        if self.broken:
            raise cm.StorageError.Failed(detail="the disk is full; make room")
        if self.strange:
            raise RuntimeError(f"a text that must not get out: {SECRET}")
        self.state = state


class Keychain(cm.Keychain):
    def __init__(self):
        self.device, self.unlock_root, self.problem, self.reasons = None, None, None, []

    def load_device_root(self):
        return self.device

    def store_device_root(self, root):
        self.device = root

    def store_unlock_root(self, root):
        self.unlock_root = root

    def unlock(self, reason):
        self.reasons.append(reason)
        if self.problem:
            raise self.problem
        return self.unlock_root


class Observer(cm.Observer):
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)
        raise RuntimeError("an observer that fails is none of the engine's business")


class Ui(cm.PairingUi):
    def show_digits(self, name, digits):
        raise AssertionError("no digits without a laptop")


class Smoke(unittest.TestCase):
    def setUp(self):
        self.storage, self.keychain, self.observer = Storage(), Keychain(), Observer()
        self.phone = cm.Authenticator.create("pixel", self.storage, self.keychain, self.observer)

    def fails(self, kind, call, *args):
        with self.assertRaises(kind) as caught:
            call(*args)
        texts = [str(caught.exception), repr(caught.exception)]
        for text in texts:
            self.assert_harmless(text)
        self.assertTrue(texts[0])
        return texts[0]

    def assert_harmless(self, text):
        secrets = [SECRET, SECRET.lower(), self.keychain.device.hex(), self.keychain.unlock_root.hex()]
        secrets += [repr(self.keychain.device), repr(self.keychain.unlock_root)]
        for secret in secrets:
            self.assertNotIn(secret, text)

    def test_a_seed_goes_in_and_nothing_secret_comes_out(self):
        enrolled = self.phone.enroll(URI, [])
        self.assertEqual(enrolled.label, "ACME:release")
        self.assertEqual(self.keychain.reasons, ["Seal ACME:release"])
        [seed] = self.phone.seeds()
        self.assertEqual((seed.label, seed.used), ("ACME:release", False))
        again = self.phone.import_sealed(enrolled.sealed)
        self.assertEqual(again.id, seed.id)
        for record in [enrolled, seed, again, self.phone.identity(), self.phone]:
            self.assert_harmless(repr(record))
            self.assert_harmless(str(record))
        self.assertTrue(self.phone.identity().recipient.startswith("age1"))
        self.assertEqual((self.phone.pairings(), self.phone.pending(), self.phone.history()), ([], [], []))

    def test_wake_ups(self):
        key = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        good = cm.PushSubscription(endpoint="https://push.example.org/abc", p256dh=key, auth="BTBZMqHH6r4Tts7J_aSIgg==")
        self.phone.register_wake_up(None, good)
        self.phone.register_wake_up("wss://relay.example.org", good)
        self.phone.remove_wake_up(None)
        for endpoint, p256dh, relay in [("push.example.org", key, None), (good.endpoint, "AAAA", None), (good.endpoint, key, "http://x")]:
            bad = cm.PushSubscription(endpoint=endpoint, p256dh=p256dh, auth=good.auth)
            self.fails(cm.AuthenticatorError.BadInput, self.phone.register_wake_up, relay, bad)
        self.fails(cm.AuthenticatorError.TryAgain, self.phone.wake_up_key, "ws://127.0.0.1:9")

    def test_it_opens_again_from_the_same_storage(self):
        self.phone.enroll(URI, [])
        identity = self.phone.identity()
        del self.phone
        phone = cm.Authenticator.open(self.storage, self.keychain, self.observer)
        self.assertEqual([seed.label for seed in phone.seeds()], ["ACME:release"])
        self.assertEqual(phone.identity(), identity)
        self.assertEqual(len(self.keychain.reasons), 1, "opening unlocks nothing")

    def test_errors_say_what_to_do(self):
        error, phone = cm.AuthenticatorError, self.phone
        self.fails(error.BadInput, phone.enroll, f"otpauth://hotp/x?secret={SECRET}", [])
        self.fails(error.BadInput, phone.enroll, f"otpauth://totp/x?secret={SECRET}!", [])
        self.fails(error.BadInput, phone.enroll, URI, ["age1nonsense"])
        self.fails(error.BadInput, phone.import_sealed, "not base64url!")
        self.fails(error.BadInput, phone.import_sealed, "AAAA")
        self.fails(error.BadInput, phone.trust, "short")
        self.fails(error.BadInput, phone.pair, "COUNTERSIGN-PAIR-1DAMAGED", Ui())
        self.assertIn("COUNTERSIGN-PAIR-1", self.fails(error.BadInput, phone.pair, "hello", Ui()))
        self.fails(error.Gone, phone.deny, "00" * 16, "no")
        self.fails(error.Gone, phone.approve, "00" * 16, "123456", None, True, URI)
        self.fails(error.Gone, phone.revoke, "no such id")
        self.fails(error.Gone, phone.allow, "00" * 16, "00" * 16, True)
        self.assertEqual(self.keychain.reasons, [], "nobody is asked to unlock for what can't work")
        self.fails(error.SetUp, cm.Authenticator.create, "again", self.storage, self.keychain, self.observer)
        self.fails(error.SetUp, cm.Authenticator.open, Storage(), self.keychain, self.observer)
        other = Keychain()
        other.device = bytes(32)
        self.fails(error.SetUp, cm.Authenticator.open, self.storage, other, self.observer)
        other.device = bytes(31)
        self.fails(error.SetUp, cm.Authenticator.open, self.storage, other, self.observer)

    def test_what_the_app_raises(self):
        error, phone = cm.AuthenticatorError, self.phone
        for problem in [
            cm.KeychainError.Cancelled(),
            cm.KeychainError.WrongPassphrase(),
            cm.KeychainError.Unavailable(detail="locked out"),
            RuntimeError(f"a text that must not get out: {SECRET}"),
        ]:
            self.keychain.problem = problem
            self.fails(error.Unlock, phone.enroll, URI, [])
        self.keychain.problem = None
        self.storage.broken = True
        self.assertIn("make room", self.fails(error.Storage, phone.enroll, URI, []))
        self.storage.broken, self.storage.strange = False, True
        self.fails(error.Storage, phone.enroll, URI, [])
        self.assertEqual(phone.seeds(), [])
        self.storage.strange = False
        phone.enroll(URI, [])
        root, self.keychain.unlock_root = self.keychain.unlock_root, bytes(32)
        self.fails(error.SetUp, phone.enroll, URI, [])
        self.keychain.unlock_root = root

    def test_it_starts_and_stops(self):
        self.phone.start()
        self.phone.start()
        self.phone.cancel_pairing()
        self.phone.stop()
        self.phone.stop()
        self.phone.start()


if __name__ == "__main__":
    unittest.main(verbosity=2)
