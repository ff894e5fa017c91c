#!/usr/bin/env python3
"""The least of a phone, for testing client.py without the real one. It keeps no replay memory and takes any sealed
seed to hold the one URI it is given, so it is NOT an authenticator.

pair --state FILE                reads the pairing code from stdin, prints the six digits, answers what comes
serve --state FILE --uri FILE    for each request reads a line from stdin: the match number or "deny REASON"
"""

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path

from client import read_line
from countersign_client import ProtocolError, bech32, cbor, keys, otp
from countersign_client.keys import Ticket, derive, ed25519_public, x25519_public
from countersign_client.noise_channel import Handshake, pad, unpad
from countersign_client.pairing import Channel, last, parse_ci_hello, parse_code, phone_hello
from countersign_client.relay import Closed, Lost, Relay
from countersign_client.request import ACK, CONFIRM, OUTCOME, REQUEST, RESULT, receipt_message


async def pair(args):
    ci_public, qr_psk, rendezvous, url = parse_code((await read_line()).strip())
    device, unlock = os.urandom(32), os.urandom(32)
    pairing_id = keys.pairing_id(rendezvous, ci_public)
    mailbox = derive(device, "phone mailbox", pairing_id)
    channel = Channel(True, derive(device, "phone channel", pairing_id), ci_public, qr_psk, rendezvous)
    async with Relay(url) as relay:
        await relay.meet(1, rendezvous)
        await relay.expect("MET")
        await relay.data(channel.noise.write(b""))
        name, sender, share = parse_ci_hello(channel.noise.read((await relay.expect("DATA"))["tail"]))
        ticket = Ticket(ed25519_public(mailbox), os.urandom(16), sender, 65536, 600, 0, b"").encode(mailbox)
        own_share = os.urandom(32)
        recipient = bech32.encode("age", x25519_public(derive(unlock, "age identity")))
        await relay.data(channel.noise.write(phone_hello(
            "stub", recipient, ed25519_public(derive(unlock, "signing")), ticket, own_share)))
        print(channel.digits(), flush=True)
        send, receive = channel.noise.split()
        try:
            p4 = receive.decrypt((await relay.expect("DATA"))["tail"])
        except (Closed, Lost) as e:
            sys.exit(f"not paired: {e}")
        if cbor.decode(unpad(p4, (64,))) != "paired":
            raise ProtocolError("P4")
        state = {"device": device, "unlock": unlock, "pairing_id": pairing_id, "ci_public": ci_public,
                 "psk": channel.psk(share, own_share)}
        state = {k: v.hex() for k, v in state.items()} | {"relay": url, "last_step": None}
        Path(args.state).write_text(json.dumps(state), encoding="utf-8")
        await relay.data(send.encrypt(last("stored")))
        try:
            await relay.expect()  # the laptop closes
        except (Closed, Lost):
            pass
    print(f"paired with {name}", file=sys.stderr)


class Phone:
    def __init__(self, args):
        self.path, self.args = Path(args.state), args
        self.state = json.loads(self.path.read_text(encoding="utf-8"))
        self.device, self.unlock, self.pairing_id, self.ci_public, self.psk = (
            bytes.fromhex(self.state[n]) for n in ("device", "unlock", "pairing_id", "ci_public", "psk"))
        self.seed = otp.Otpauth(Path(args.uri).read_text(encoding="ascii").strip())
        self.dropped = not args.drop_after_m3
        self.tags = {}  # resume tag: (M3, send, receive, request, h)
        self.answers = {}  # resume tag: M4

    async def serve(self):
        mailbox = derive(self.device, "phone mailbox", self.pairing_id)
        while True:
            try:
                async with Relay(self.state["relay"]) as relay:
                    proof = keys.mailbox_proof_message(relay.origin, relay.nonce)
                    await relay.send("PROVE", mailbox_public=ed25519_public(mailbox), deny=[],
                                     signature=keys.sign(mailbox, "mailbox proof", proof))
                    while True:
                        frame = await relay.frame()
                        if frame["type"] == "PROVED":
                            print("proved", flush=True)
                        elif frame["type"] == "INCOMING":
                            relay.circuit = frame["circuit"]
                            try:
                                await self.incoming(relay, frame["tail"])
                            except ProtocolError as e:
                                print(f"refused: {e}", file=sys.stderr)
                                await relay.close("refused")
                            except Closed as e:
                                print(f"closed: {e}", flush=True)
            except Lost as e:
                print(f"lost: {e}", flush=True)
                await asyncio.sleep(1)

    async def incoming(self, relay: Relay, tail: bytes):
        if tail[:1] == b"\xfe":
            tag, m3 = tail[1:17], tail[17:]
            if tag not in self.tags or self.tags[tag][0] != m3:
                return await relay.close("session_unknown")
            print("resumed", flush=True)
        else:
            tag = await self.begin(relay, tail)
            if tag is None:
                return
            if not self.dropped:
                self.dropped = True
                await relay.socket.close()
                raise Lost("dropped on purpose")
        if tag not in self.answers:
            self.answers[tag] = await self.ask(tag)
        await relay.data(self.answers[tag])
        outcome = (await relay.expect("DATA"))["tail"]
        print(cbor.decode(unpad(self.tags[tag][2].decrypt(outcome), OUTCOME)), flush=True)

    async def begin(self, relay: Relay, m1: bytes):
        if m1[:1] != b"\x01":
            raise ProtocolError("suite")
        noise = Handshake("KKpsk0", False, b"countersign/1\0\x01" + self.pairing_id,
                          s=derive(self.device, "phone channel", self.pairing_id), rs=self.ci_public, psk=self.psk)
        request = cbor.decode(unpad(noise.read(m1[1:]), REQUEST))
        state = "ok" if abs(time.time() - request["created_at"]) <= 90 else "clock"
        ack = {"v": 1, "now": int(time.time()), "state": state, "digits": 6}
        await relay.data(noise.write(pad(cbor.encode(ack), ACK)))
        if state != "ok":
            return None
        send, receive = noise.split()
        m3 = (await relay.expect("DATA"))["tail"]
        confirm = cbor.decode(unpad(receive.decrypt(m3), CONFIRM))
        if confirm != {"confirm": {"request_id": request["request_id"], "enroll": None}}:
            raise ProtocolError("M3")
        tag = derive(noise.h, "resume")[:16]
        self.tags[tag] = m3, send, receive, request, noise.h
        print(f"asked for {request['codes']} codes: {request['reason']}", flush=True)
        return tag

    async def ask(self, tag: bytes) -> bytes:
        _, send, _, request, h = self.tags[tag]
        typed, now, seed = (await read_line()).strip(), int(time.time()), self.seed
        result = {"status": "wrong_number", "reason": "", "codes": [], "period": 0, "valid_until": 0, "now": now,
                  "seed_id": bytes(16), "sealed": b"", "label": "", "receipt": b""}
        if typed.startswith("deny"):
            result |= {"status": "denied", "reason": typed[5:]}
        elif typed == keys.number(h, "match", 6):
            steps = otp.issue(now, seed.period, self.state["last_step"], request["codes"], request["min_life"])
            self.state["last_step"] = steps[-1]
            self.path.write_text(json.dumps(self.state), encoding="utf-8")
            seed_id = b"s" * 16
            receipt = receipt_message(h, request["request_id"], seed_id, now, steps[0], len(steps))
            result |= {
                "status": "approved", "period": seed.period, "valid_until": (steps[-1] + 1) * seed.period,
                "codes": [[s, otp.hotp(seed.secret, s, seed.digits, seed.algorithm)] for s in steps],
                "seed_id": seed_id, "receipt": keys.sign(derive(self.unlock, "signing"), "receipt", receipt)}
        return send.encrypt(pad(cbor.encode({"result": result}), RESULT))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("pair")
    command.add_argument("--state", required=True)
    command.set_defaults(run=pair)
    command = commands.add_parser("serve")
    command.add_argument("--state", required=True)
    command.add_argument("--uri", required=True)
    command.add_argument("--drop-after-m3", action="store_true", help="lose the first connection after M3")
    command.set_defaults(run=lambda args: Phone(args).serve())
    args = parser.parse_args()
    asyncio.run(args.run(args))


if __name__ == "__main__":
    main()
