module golazy.dev/lazyrealtime/jwt

go 1.25.0

require (
	github.com/golang-jwt/jwt/v5 v5.3.1
	golazy.dev v0.0.0
)

require github.com/klauspost/compress v1.20.3 // indirect

replace golazy.dev => ../..
