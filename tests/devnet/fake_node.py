"""A program that starts like a node: `--home DIR`, a ready line, and a status document with height 1.

`DIR/behaviour` changes it: `fail` exits with a sentence, `mute` never gets ready.
"""

from __future__ import annotations

import json
import signal
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Status(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"height": 1, "stuck": None, "peers": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


def main() -> None:
    home = Path(sys.argv[sys.argv.index("--home") + 1])
    behaviour = home.parent.parent.parent / f"behaviour-{home.name}"
    mode = behaviour.read_text() if behaviour.exists() else ""
    config = tomllib.loads((home / "config.toml").read_text())
    if mode == "fail":
        sys.exit("the store is in a bad mood")
    if mode == "mute":
        signal.pause()
    try:
        server = HTTPServer(("127.0.0.1", config["rpc"]["port"]), Status)
    except OSError as error:
        sys.exit(str(error))
    print(json.dumps({"ready": True}, separators=(",", ":")), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
