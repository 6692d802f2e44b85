"""pyas2lib as a partner: `python pyas2_peer.py serve FOLDER` takes messages, `… send FOLDER URL FILE` sends one; JSON on standard output.

FOLDER holds peer.p12 (password "peer"), ours.pem (the gateway's certificate) and terms.json.
"""

import base64
import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from pyas2lib.as2 import Mdn, Message, Organization, Partner


def parties(folder):
    terms = json.loads((folder / "terms.json").read_text())
    key = (folder / "peer.p12").read_bytes()
    gateway = (folder / "ours.pem").read_bytes()
    us = Organization(as2_name=terms["peer"], sign_key=key, sign_key_pass="peer", decrypt_key=key, decrypt_key_pass="peer", domain="peer.example")
    them = Partner(
        as2_name=terms["gateway"],
        verify_cert=gateway,
        encrypt_cert=gateway,
        validate_certs=False,
        sign=terms["sign"],
        digest_alg=terms["digest"],
        encrypt=terms["encrypt"],
        enc_alg=terms["cipher"],
        compress=terms["compress"],
        mdn_mode="SYNC",
        mdn_digest_alg=terms["digest"],
    )
    return us, them


def serve(folder):
    us, them = parties(folder)
    taken = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            raw = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items()).encode() + b"\r\n" + body
            message = Message()
            status, trouble, mdn = message.parse(raw, lambda name: us, lambda name: them, lambda message_id, partner: False)
            content = message.content
            data = content.encode() if isinstance(content, str) else bytes(content)
            taken.append({"status": status, "trouble": str(trouble[0]) if trouble[0] else "", "data": base64.b64encode(data).decode()})
            (folder / "taken.json").write_text(json.dumps(taken))
            self.send_response(200)
            for name, value in mdn.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(mdn.content)))
            self.end_headers()
            self.wfile.write(mdn.content)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    (folder / "port").write_text(str(server.server_port))
    server.serve_forever()


def send(folder, url, file):
    us, them = parties(folder)
    message = Message(us, them)
    message.build(Path(file).read_bytes(), filename=Path(file).name, content_type="application/edi-x12")
    request = urllib.request.Request(url, data=message.content, headers=dict(message.headers.items()))
    with urllib.request.urlopen(request, timeout=30) as response:
        raw = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items()).encode() + b"\r\n" + response.read()
    status, detail = Mdn().parse(raw, lambda message_id, recipient: message)
    print(json.dumps({"status": status, "detail": detail or ""}))


if __name__ == "__main__":
    what, folder, *rest = sys.argv[1:]
    serve(Path(folder)) if what == "serve" else send(Path(folder), *rest)
