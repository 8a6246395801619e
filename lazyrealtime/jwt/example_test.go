package jwt_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	lib "github.com/golang-jwt/jwt/v5"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/jwt"
	"golazy.dev/lazyrealtime/memory"
)

// A hub whose clients connect with a token. This one says that it has expired, so
// that they fetch another.
func ExampleAuthenticate() {
	secret := []byte("32 random bytes, from a safe place")
	authenticate := jwt.Authenticate(jwt.Options{Key: secret, Audience: "cable"})
	hub, err := lazyrealtime.Open(context.Background(), lazyrealtime.Config{Log: memory.Open(), Authenticate: authenticate})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Shutdown(context.Background())

	token, err := lib.NewWithClaims(lib.SigningMethodHS256, lib.MapClaims{
		"sub": "alice", "aud": "cable", "iat": 1700000000, "exp": 1700003600,
	}).SignedString(secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = authenticate(httptest.NewRequest(http.MethodGet, "/cable?jid="+token, nil))
	fmt.Println(err)
	// Output: jwt: lazyrealtime: the token has expired
}
