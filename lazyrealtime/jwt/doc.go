// Package jwt lets a hub of golazy.dev/lazyrealtime authenticate by JSON Web
// Tokens (RFC 7519), verified by github.com/golang-jwt/jwt.
//
//	hub, err := lazyrealtime.Open(ctx, lazyrealtime.Config{
//		Log:          log,
//		Authenticate: jwt.Authenticate(jwt.Options{Key: secret, Issuer: "https://example.com"}),
//	})
//
// A token comes as lazyrealtime.TokenOf finds it: ?jid=, the header x-jid, the
// subprotocol anycable-token.TOKEN, or Authorization: Bearer.
//
// # Claims
//
//   - sub: Identity.ID; required.
//   - exp: Identity.Expires; required unless Options.Forever.
//   - iat: Identity.Issued. A token without one counts as older than every
//     revocation: once its identity has been revoked it is void.
//   - nbf, iss, aud: checked, the latter two if Options names them.
//   - info: Identity.Info, what others see of somebody who is present.
//
// All claims are in Identity.Value, as Claims.
//
// # What is refused
//
// The key says which algorithms a token may name, never the token (RFC 8725, 3.1):
// a secret verifies HMAC alone, a public key its own kind alone, and nothing
// verifies "none". Names of claims are compared exactly: "SUB" is not "sub".
// Extensions that a token marks as critical are refused (RFC 7515, 4.1.11), as
// none is known here.
package jwt
