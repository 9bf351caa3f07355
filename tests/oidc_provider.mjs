// A real OpenID Connect provider on loopback; the tests write the accounts, and read where it is.
// node oidc_provider.mjs MODULE ADDRESS-FILE ACCOUNTS-FILE KEYS-FILE SECRET
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [module, addressFile, accountsFile, keysFile, secret] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(module).href);

if (!existsSync(keysFile)) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(keysFile, JSON.stringify({ keys: [{ ...privateKey.export({ format: "jwk" }), kid: "one", use: "sig" }] }));
}
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  // A native application's loopback address is the same at every port (RFC 8252).
  const client = (client_id) => ({ client_id, client_secret: secret, application_type: "native",
    redirect_uris: ["http://127.0.0.1/signed-in"], response_types: ["code"], grant_types: ["authorization_code"] });
  const provider = new Provider(issuer, {
    clients: [client("tidegate"), client("another")],
    jwks: JSON.parse(readFileSync(keysFile, "utf8")),
    cookies: { keys: ["of a test"] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
    conformIdTokenClaims: false,
    findAccount: (_, accountId) => ({ accountId,
      claims: () => ({ sub: accountId, ...JSON.parse(readFileSync(accountsFile, "utf8"))[accountId] }) }),
  });
  server.on("request", provider.callback());
  writeFileSync(`${addressFile}.part`, issuer);
  renameSync(`${addressFile}.part`, addressFile);
});
