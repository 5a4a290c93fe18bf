// A receiver of webhooks on the package `standardwebhooks` of npm. It answers as `receiver.py` does.
const fs = require("node:fs");
const http = require("node:http");
const { Webhook } = require("standardwebhooks");

function verifies(secret, body, headers) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

function wrong({ good, bad }, body, headers) {
  const changed = body.replace('"type"', '"tyqe"');
  for (const secret of good) {
    if (!verifies(secret, body, headers)) return "a good secret does not verify it";
    if (verifies(secret, changed, headers) || verifies(secret, `${body} `, headers)) return "a changed byte is believed";
    if (verifies(secret, body, { ...headers, "webhook-id": "msg_x" })) return "a changed id is believed";
  }
  if (bad.some((secret) => verifies(secret, body, headers))) return "a secret that has ended verifies it";
  return null;
}

const server = http.createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const secrets = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
  const fault = wrong(secrets, Buffer.concat(pieces).toString(), request.headers);
  response.writeHead(fault ? 400 : 204).end(fault ?? undefined);
});
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
