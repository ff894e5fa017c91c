#!/usr/bin/env python3
"""Checks tests/vectors against the Python client, which was written from docs/PROTOCOL.md alone."""

import json
import sys
import traceback
from hashlib import sha256
from pathlib import Path

import sealed
from countersign_client import ProtocolError, bech32, cbor, frames, keys, noise_channel, otp, pairing, request
from countersign_client.keys import CiKey, Ticket, derive, ed25519_public, x25519_public
from countersign_client.noise_channel import Handshake, pad, unpad

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
passed, failed = 0, []


def case(name, check):
    """`check` returns whether the case holds; an exception is a failure."""
    global passed
    try:
        good = check()
    except Exception:
        good = False
        traceback.print_exc(limit=3)
    if good:
        passed += 1
    else:
        failed.append(name)
        print(f"FAILED {name}")


def same(name, got, want):
    """`got` is a function; bytes are compared with hex."""

    def check():
        value = got()
        return (value.hex() if isinstance(value, bytes) else value) == want

    case(name, check)


def refused(name, action):
    def check():
        try:
            action()
        except ProtocolError:
            return True
        return False

    case(name, check)


def load(name):
    with open(VECTORS / name, encoding="utf-8") as f:
        return json.load(f)


def repeated(byte):
    return lambda length: bytes([byte]) * length


def check_keys(k):
    def age(root):
        return derive(root, "age identity")

    device, unlock, ci = (bytes.fromhex(k[n]) for n in ("device_root", "unlock_root", "ci_root"))
    pairing_id = bytes.fromhex(k["pairing_id"])
    same("age identity", lambda: bech32.encode("age-secret-key-", age(unlock)).upper(), k["age_identity"])
    same("age recipient", lambda: bech32.encode("age", x25519_public(age(unlock))), k["age_recipient"])
    key = CiKey(ci, bytes.fromhex(k["psk"]))
    same("ci channel secret", lambda: key.channel_secret, k["ci_channel_secret"])
    same("ci channel public", lambda: x25519_public(key.channel_secret), k["ci_channel_public"])
    same("ci sender", lambda: ed25519_public(key.sender_secret), k["ci_sender_public"])
    same("CI key", key.encode, k["ci_key"])
    case("CI key, read", lambda: CiKey.decode(k["ci_key"]) == key)
    case("CI key in small letters", lambda: CiKey.decode(k["ci_key"].lower()) == key)
    case("several CI keys", lambda: CiKey.decode_all(f"# a, b\n{k['ci_key']},\n {k['ci_key']}\n") == [key, key])
    refused("CI key in mixed case", lambda: CiKey.decode("c" + k["ci_key"][1:]))
    refused("CI key, damaged", lambda: CiKey.decode(k["ci_key"].replace("QPZ", "QPR", 1)[:-1] + "Q"))
    same("phone channel secret", lambda: derive(device, "phone channel", pairing_id), k["phone_channel_secret"])
    same("phone channel public", lambda: x25519_public(derive(device, "phone channel", pairing_id)),
         k["phone_channel_public"])
    mailbox_public = ed25519_public(derive(device, "phone mailbox", pairing_id))
    same("phone mailbox", lambda: mailbox_public, k["phone_mailbox_public"])
    same("mailbox address", lambda: keys.mailbox(mailbox_public), k["mailbox"])
    same("phone state key", lambda: derive(device, "phone state"), k["phone_state_key"])
    same("signing key", lambda: ed25519_public(derive(unlock, "signing")), k["signing_public"])


def check_pairing(p):
    """Plays both sides; returns what the laptop keeps and the phone's secret."""
    device, unlock = bytes.fromhex(p["device_root"]), bytes.fromhex(p["unlock_root"])
    # laptop_random and phone_random name these bytes, in hexadecimal
    case("laptop_random as this program knows it", lambda: p["laptop_random"] ==
         "10 (ci_root), 11 (rendezvous), 12 (QR psk), 13 (ephemeral), 14 (psk_share), each byte repeated")
    case("phone_random as this program knows it", lambda: p["phone_random"] ==
         "20 (ephemeral), 21 (ticket id), 22 (psk_share), each byte repeated")
    laptop_bytes = iter((0x10, 0x11, 0x12, 0x14))
    laptop = pairing.Laptop(p["name"], "wss://relay.example.org", lambda n: bytes([next(laptop_bytes)]) * n,
                            repeated(0x13)(32))
    same("pairing code", lambda: laptop.code, p["code"])
    ci_public, qr_psk, rendezvous, url = pairing.parse_code(p["code"])
    case("pairing code, read", lambda: (qr_psk, rendezvous, url) ==
         (repeated(0x12)(32), repeated(0x11)(16), "wss://relay.example.org"))
    same("pairing_id", lambda: laptop.channel.pairing_id, p["pairing_id"])
    phone_secret = derive(device, "phone channel", laptop.channel.pairing_id)
    phone = pairing.Channel(True, phone_secret, ci_public, qr_psk, rendezvous, repeated(0x20)(32))
    same("P1", lambda: phone.noise.write(b""), p["p1"])
    same("P2", lambda: laptop.p2(bytes.fromhex(p["p1"])), p["p2"])
    name, sender, share = pairing.parse_ci_hello(phone.noise.read(bytes.fromhex(p["p2"])))
    case("P2, read", lambda: (name, sender, share) == (p["name"], laptop.sender, repeated(0x14)(32)))
    mailbox_secret = derive(device, "phone mailbox", laptop.channel.pairing_id)
    ticket = Ticket(ed25519_public(mailbox_secret), repeated(0x21)(16), sender, 65536, 600, 0, b"")
    same("ticket", lambda: ticket.encode(mailbox_secret), p["ticket"])
    case("ticket, read", lambda: Ticket.decode(bytes.fromhex(p["ticket"])) == ticket)
    recipient = bech32.encode("age", x25519_public(derive(unlock, "age identity")))
    hello = pairing.phone_hello(p["phone_name"], recipient, ed25519_public(derive(unlock, "signing")),
                                bytes.fromhex(p["ticket"]), repeated(0x22)(32))
    same("P3", lambda: phone.noise.write(hello), p["p3"])
    same("digits of the laptop", lambda: laptop.p3(bytes.fromhex(p["p3"])), p["digits"])
    same("digits of the phone", phone.digits, p["digits"])
    same("psk of the phone", lambda: phone.psk(share, repeated(0x22)(32)), p["psk"])
    send, receive = phone.noise.split()
    same("P4", laptop.p4, p["p4"])
    same("P4, read", lambda: cbor.decode(unpad(receive.decrypt(bytes.fromhex(p["p4"])), (64,))), "paired")
    same("P5", lambda: send.encrypt(pairing.last("stored")), p["p5"])
    kept = laptop.p5(bytes.fromhex(p["p5"]))
    same("psk of the laptop", lambda: CiKey.decode(kept.ci_key).psk, p["psk"])
    same("CI key of the pairing", lambda: kept.ci_key, p["ci_key"])
    case("the pairing as a file", lambda: pairing.Pairing.from_json(json.loads(json.dumps(kept.to_json()))) == kept)
    return kept, phone_secret


def check_request(r, kept, phone_secret, unlock):
    now, seed_file = r["phone_now"], bytes.fromhex(r["sealed"])
    session = request.Session(kept, repeated(0x40)(16), bytes.fromhex(r["ci_ephemeral"]))
    body = request.request(session.request_id, now, seed_file, 2, "npm", "release 1.2", min_life=20)
    same("Request", lambda: body, r["request_cbor"])
    case("Request, read and written", lambda: cbor.encode(cbor.decode(body)) == body)
    same("padded length", lambda: len(pad(body, request.REQUEST)), r["request_padded_length"])
    same("M1", lambda: session.m1(body, 2), r["m1"])
    key = CiKey.decode(kept.ci_key)
    phone = Handshake("KKpsk0", False, b"countersign/1\0\x01" + kept.pairing_id, s=phone_secret,
                      rs=x25519_public(key.channel_secret), psk=key.psk, e=bytes.fromhex(r["phone_ephemeral"]))
    same("M1, read", lambda: unpad(phone.read(bytes.fromhex(r["m1"])[1:]), request.REQUEST), r["request_cbor"])
    ack = cbor.encode({"v": 1, "now": now, "state": "ok", "digits": 6})
    same("Ack", lambda: ack, r["ack_cbor"])
    same("M2", lambda: phone.write(pad(ack, request.ACK)), r["m2"])
    same("M2, read", lambda: session.m2(bytes.fromhex(r["m2"])), "ok")
    same("match number", lambda: session.match, r["match_number"])
    same("match number on the phone", lambda: keys.number(phone.h, "match", 6), r["match_number"])
    send, receive = phone.split()
    same("M3", session.m3, r["m3"])
    same("M3, read", lambda: cbor.decode(unpad(receive.decrypt(bytes.fromhex(r["m3"])), request.CONFIRM)),
         {"confirm": {"request_id": session.request_id, "enroll": None}})
    same("resume tag", session.resume_tag, r["resume_tag"])
    same("resume tail", session.resume_tail, r["resume_tail"])
    seed = otp.Otpauth(r["otpauth"])
    steps = otp.issue(now, seed.period, None, 2, 20)
    codes = [[step, otp.hotp(seed.secret, step, seed.digits, seed.algorithm)] for step in steps]
    same("codes", lambda: codes, r["codes"])
    seed_id = repeated(0x32)(16)
    receipt = keys.sign(derive(unlock, "signing"), "receipt",
                        request.receipt_message(phone.h, session.request_id, seed_id, now, steps[0], 2))
    result = cbor.encode({"result": {
        "status": "approved", "reason": "", "codes": codes, "period": seed.period,
        "valid_until": (steps[-1] + 1) * seed.period, "now": now, "seed_id": seed_id, "sealed": b"", "label": "",
        "receipt": receipt}})
    same("Result with its receipt", lambda: result, r["result_cbor"])
    same("M4", lambda: send.encrypt(pad(result, request.RESULT)), r["m4"])
    damaged = bytes.fromhex(r["m4"])
    refused("M4, damaged", lambda: session.m4(damaged[:-1] + bytes([damaged[-1] ^ 1])))
    got = session.m4(bytes.fromhex(r["m4"]))
    same("M4, read", lambda: (got.status, got.codes, got.now), ("approved", r["codes"], now))
    same("M5", lambda: session.m5("used"), r["m5"])
    same("M5, read", lambda: cbor.decode(unpad(receive.decrypt(bytes.fromhex(r["m5"])), request.OUTCOME)),
         {"outcome": "used"})
    other = got.receipt[:-1] + bytes([got.receipt[-1] ^ 1])
    refused("receipt, damaged", lambda: keys.verify(kept.signer, "receipt", b"", other))


def check_relay(d):
    k = d["keys"]
    ci = CiKey(bytes.fromhex(k["ci_root"]), bytes(32))
    mailbox_secret = derive(bytes.fromhex(k["device_root"]), "phone mailbox", bytes.fromhex(k["pairing_id"]))
    same("relay: sender", lambda: ed25519_public(ci.sender_secret), k["sender_public"])
    same("relay: mailbox public", lambda: ed25519_public(mailbox_secret), k["mailbox_public"])
    same("relay: mailbox", lambda: keys.mailbox(ed25519_public(mailbox_secret)), k["mailbox"])

    def to_hex(value):
        return [v.hex() for v in value] if isinstance(value, list) else value.hex() if isinstance(value, bytes) else value

    for v in d["frames"]["good"]:
        data = bytes.fromhex(v["hex"])
        case(f"frame: {v['name']}", lambda: {n: to_hex(x) for n, x in frames.decode(data).items()} == v["fields"])

        def again():
            values = frames.decode(data)
            return frames.encode(values.pop("type"), **values) == data

        case(f"frame: {v['name']}, written", again)
    for v in d["frames"]["bad"]:
        refused(f"frame: {v['reason']}", lambda: frames.decode(bytes.fromhex(v["hex"])))
    for v in d["tickets"]["good"]:
        want, data = v["fields"], bytes.fromhex(v["hex"])
        t = Ticket.decode(data)
        case(f"ticket: {v['name']}", lambda: {
            "mailbox": keys.mailbox(t.mailbox_public).hex(), "mailbox_public": t.mailbox_public.hex(),
            "ticket_id": t.ticket_id.hex(), "sender": t.sender.hex() if any(t.sender) else None,
            "max_bytes": t.max_bytes, "opens_per_hour": t.opens_per_hour, "expires": t.expires,
            "push": t.push.hex()} == want)
        same(f"ticket: {v['name']}, written", lambda: t.encode(mailbox_secret), v["hex"])
    for v in d["tickets"]["bad"]:
        refused(f"ticket: {v['reason']}", lambda: Ticket.decode(bytes.fromhex(v["hex"])))

    def proof(v):
        return keys.mailbox_proof_message(v["origin"], bytes.fromhex(v["nonce"]))

    def open_proof(v):
        return keys.open_proof_message(v["origin"], bytes.fromhex(v["nonce"]), v["circuit"],
                                       bytes.fromhex(v["ticket"]), bytes.fromhex(v["tail"]))

    for v in d["mailbox_proofs"]["good"]:
        same(f"mailbox: {v['name']}", lambda: keys.sign(mailbox_secret, "mailbox proof", proof(v)), v["signature"])
    for v in d["open_proofs"]["good"]:
        same(f"open: {v['name']}", lambda: keys.sign(ci.sender_secret, "open proof", open_proof(v)), v["signature"])
    for name, who, message in (("mailbox_proofs", "mailbox_public", proof), ("open_proofs", "sender", open_proof)):
        label = "mailbox proof" if name == "mailbox_proofs" else "open proof"

        def check(v):
            keys.verify(bytes.fromhex(v[who]), label, message(v), bytes.fromhex(v["signature"]))
            return True

        for v in d[name]["good"]:
            case(f"{label}: {v['name']}, checked", lambda: check(v))
        for v in d[name]["bad"]:
            refused(f"{label}: {v['reason']}", lambda: check(v))
    for v in d["urls"]["good"]:
        same(f"URL {v['text']}", lambda: frames.origin(v["text"]), v["origin"])
    for v in d["urls"]["bad"]:
        refused(f"URL: {v['reason']}: {v['text'][:60]}", lambda: frames.origin(v["text"]))


def check_otp(d):
    for v in d["codes"]:
        same(f"code {v['algorithm']} {v['step']}",
             lambda: otp.hotp(bytes.fromhex(v["secret"]), v["step"], v["digits"], v["algorithm"]), v["code"])
    for v in d["otpauth"]:
        same(f"otpauth: {v['reason']}", lambda: otp.Otpauth(v["uri"]).normal(), v["normal"])
        same(f"otpauth: {v['reason']}, again", lambda: otp.Otpauth(v["normal"]).normal(), v["normal"])
        same(f"otpauth: {v['reason']}, shown",
             lambda: (otp.Otpauth(v["uri"]).label, otp.Otpauth(v["uri"]).warning), (v["label"], v["warning"]))
    for v in d["otpauth_must_fail"]:
        refused(f"otpauth: {v['reason']}", lambda: otp.Otpauth(v["uri"]))
    for v in d["issue"]:
        def give():
            return otp.issue(v["now"], v["period"], v["last_step"], v["count"])

        if "error" in v:
            refused(f"issue: {v['reason']}", give)
        else:
            case(f"issue: {v['reason']}", lambda: (give()[0], give()[-1]) == (v["first"], v["last"]))


def check_sealed(d):
    unlock = bytes.fromhex(d["unlock_root"])
    identity, signer = derive(unlock, "age identity"), ed25519_public(derive(unlock, "signing"))
    same("sealed: identity", lambda: bech32.encode("age-secret-key-", identity).upper(), d["age_identity"])
    same("sealed: recipient", lambda: bech32.encode("age", x25519_public(identity)), d["age_recipient"])
    same("sealed: signer", lambda: signer, d["signer"])
    for v in d["opens"]:
        data = bytes.fromhex(v["sealed"])

        def check():
            r = sealed.open_record(data, identity, [signer])
            seed = otp.Otpauth(r["otpauth"])
            return (r["text"] == v["record"] and r["size"] == v["record_size"] and r["created"] == v["created"]
                    and r["seed_id"].hex() == v["seed_id"] and seed.label == v["label"]
                    and sha256(data).hexdigest() == v["sha256"]
                    and otp.hotp(seed.secret, v["step"], seed.digits, seed.algorithm) == v["code"])

        case(f"sealed: {v['reason']}", check)
    for v in d["must_fail"]:
        data = bytes.fromhex(v["sealed"])

        def check():
            """Refused, and by the grammar exactly where the vector says so."""
            try:
                sealed.open_record(data, identity, [signer])
            except sealed.Malformed:
                return v["malformed"] is not None
            except ProtocolError:
                return v["malformed"] is None
            return False

        case(f"sealed: {v['reason']}", check)


def check_noise(d):
    """The patterns we have, from the noise.json of others."""
    for v in d["vectors"]:
        pattern = v["protocol_name"].split("_")[1]
        if pattern not in noise_channel.PATTERNS:
            continue

        def side(who, initiator):
            def get(name):
                return bytes.fromhex(v[f"{who}_{name}"]) if f"{who}_{name}" in v else None

            psk = bytes.fromhex(v[f"{who}_psks"][0]) if f"{who}_psks" in v else None
            return Handshake(pattern, initiator, get("prologue"), s=get("static"), rs=get("remote_static"), psk=psk,
                             e=get("ephemeral"))

        def run():
            sides, handshakes, ok = [side("init", True), side("resp", False)], 0, True
            ciphers = None
            for i, m in enumerate(v["messages"]):
                payload, ciphertext = bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])
                writer, reader = i % 2, 1 - i % 2
                if handshakes < len(noise_channel.PATTERNS[pattern][2]):
                    ok &= sides[writer].write(payload) == ciphertext and sides[reader].read(ciphertext) == payload
                    handshakes += 1
                else:
                    ciphers = ciphers or [s.split() for s in sides]
                    ok &= ciphers[writer][0].encrypt(payload) == ciphertext
                    ok &= ciphers[reader][1].decrypt(ciphertext) == payload
            return ok and sides[0].h.hex() == v["handshake_hash"] and i == 5

        case(v["protocol_name"], run)


def check_cbor():
    """Section 5.1: what a receiver refuses."""
    for name, data in (("a longer integer", "1801"), ("an indefinite array", "9f01ff"), ("a byte after it", "0100"),
                       ("a repeated key", "a2617601617601"), ("cut short", "4401"), ("an indefinite text", "7f6161ff")):
        refused(f"CBOR: {name}", lambda: cbor.decode(bytes.fromhex(data)))
    refused("CBOR: reordered keys", lambda: cbor.fields(cbor.decode(bytes.fromhex("a2616201616102")), "a", "b"))
    refused("CBOR: a key too many", lambda: cbor.fields(cbor.decode(bytes.fromhex("a2616101616202")), "a"))
    refused("CBOR: a key missing", lambda: cbor.fields(cbor.decode(bytes.fromhex("a1616101")), "a", "b"))
    refused("padding that is not zero", lambda: unpad(b"\0\x01a" + b"\0" * 60 + b"\x01", (64,)))
    refused("a size that is not of the list", lambda: unpad(b"\0\x01a".ljust(65, b"\0"), (64,)))


def main():
    d = load("protocol.json")
    check_keys(d["keys"])
    kept = phone_secret = None

    def do_pairing():
        nonlocal kept, phone_secret
        kept, phone_secret = check_pairing(d["pairing"])
        return True

    case("pairing runs to its end", do_pairing)
    case("request runs to its end", lambda: check_request(
        d["request"], kept, phone_secret, bytes.fromhex(d["pairing"]["unlock_root"])) is None)
    for name, check in (("relay.json", check_relay), ("otp.json", check_otp), ("sealed.json", check_sealed),
                        ("noise.json", check_noise)):
        data = load(name)
        case(f"{name} runs to its end", lambda: check(data) is None)
    check_cbor()
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
