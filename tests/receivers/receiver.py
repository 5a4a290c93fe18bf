"""A receiver of webhooks on the package `standardwebhooks` of PyPI. It answers 204 when every secret of its file that should verify a
request does, every other one does not, and no secret verifies it with a changed byte; 400 with what went wrong otherwise."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError


def verifies(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


def wrong(secrets, body, headers):
    changed = body.replace(b'"type"', b'"tyqe"', 1)
    for secret in secrets["good"]:
        if not verifies(secret, body, headers):
            return "a good secret does not verify it"
        if verifies(secret, changed, headers) or verifies(secret, body + b" ", headers):
            return "a changed byte is believed"
        if verifies(secret, body, {**headers, "webhook-id": "msg_x"}):
            return "a changed id is believed"
    if any(verifies(secret, body, headers) for secret in secrets["bad"]):
        return "a secret that has ended verifies it"
    return None


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with open(sys.argv[1]) as file:
            fault = wrong(json.load(file), body, headers)
        answer = (fault or "").encode()
        self.send_response(400 if fault else 204)
        if fault:
            self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(f"port {server.server_address[1]}", flush=True)
server.serve_forever()
