#!/usr/bin/env python3
"""pair: plays the laptop. code: asks a phone for codes. Secrets travel by file and standard input only."""

import argparse
import asyncio
import base64
import json
import os
import sys
import threading

from countersign_client import ProtocolError
from countersign_client.pairing import Laptop, Pairing, WrongDigits, pair
from countersign_client.relay import Closed, Lost
from countersign_client.request import MAX_BATCH, Refused, Run, when_open


async def read_line() -> str:
    """A line of standard input, by a thread that does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    line = loop.create_future()

    def read():
        text = sys.stdin.readline()
        loop.call_soon_threadsafe(lambda: line.done() or line.set_result(text))

    threading.Thread(target=read, daemon=True).start()
    return await line


async def run_pair(args):
    laptop = Laptop(args.name, args.relay)
    # Before anything is shown, so that a pairing is never made that cannot be kept.
    with open(os.open(args.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        print(laptop.code, flush=True)
        try:
            pairing = await pair(laptop, read_line)
        except BaseException:
            os.unlink(args.out)
            raise
        json.dump(pairing.to_json(), out, indent=1)
    print(f"paired with {pairing.phone_name}", file=sys.stderr)


async def run_code(args):
    with open(args.pairing, encoding="utf-8") as f:
        pairing = Pairing.from_json(json.load(f))
    sealed = base64.urlsafe_b64decode(args.sealed + "=" * (-len(args.sealed) % 4))

    async def deliver(result, came, index):
        await when_open(result, came, index)
        print(result.codes[index][1], flush=True)

    def show_match(number):
        print(f"match number: {number}", file=sys.stderr, flush=True)

    run = Run(pairing, sealed, args.codes, show_match, deliver, seed_name=args.seed_name, reason=args.reason)
    result, came = await run()
    for index in range(1, len(result.codes)):
        await deliver(result, came, index)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("pair")
    command.add_argument("--relay", required=True)
    command.add_argument("--name", required=True)
    command.add_argument("--out", required=True, help="must not exist; holds the CI key")
    command.set_defaults(run=run_pair)
    command = commands.add_parser("code")
    command.add_argument("--pairing", required=True)
    command.add_argument("--sealed", required=True, help="sealed seed, base64url without padding (public)")
    command.add_argument("--codes", type=int, choices=range(1, MAX_BATCH + 1), default=1, metavar="N")
    command.add_argument("--seed-name", default="")
    command.add_argument("--reason", default="")
    command.set_defaults(run=run_code)
    args = parser.parse_args()
    try:
        asyncio.run(args.run(args))
    except (Refused, Closed) as e:
        sys.exit(f"refused: {e}")
    except WrongDigits:
        sys.exit("refused: wrong digits")
    except TimeoutError:
        sys.exit("refused: no answer in time")
    except ProtocolError as e:
        sys.exit(f"protocol failure: {e}")
    except (Lost, OSError) as e:
        sys.exit(f"failed: {e}")
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    main()
