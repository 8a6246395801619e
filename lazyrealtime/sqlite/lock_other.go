//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package sqlite

import "os"

// lockFile has nothing to lock with: the application opens the log once.
func lockFile(*os.File) error { return nil }
