// Package assets holds the files that browsers fetch as they are.
package assets

import "embed"

// Files are the assets by name.
//
//go:embed *.css *.js *.svg
var Files embed.FS
