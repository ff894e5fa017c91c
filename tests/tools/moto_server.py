"""moto on a free port of 127.0.0.1, for as long as standard input is open."""

import json
import sys

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print("ready", json.dumps({"url": f"http://{host}:{port}"}), flush=True)
sys.stdin.read()
server.stop()
