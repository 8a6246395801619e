//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package sqlite

import "errors"

// There is no limit of files' sizes to stand in for a full disk.
func fullChild(string) error { return errors.ErrUnsupported }
