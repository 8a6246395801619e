package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

var errLocked = errors.New("locked")

// InUseError is Open's when another Log has the file, of this process or another.
type InUseError struct {
	Path string
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("lazyrealtime/sqlite: %s is in use by another process or Log", e.Path)
}

// realPath is the one name of a file that has several, by links to it or to a directory
// that it is in: each would have a lock of its own, and two Logs would give out the same
// offsets. SQLite names the files beside the log in the same way.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if end, err := filepath.EvalSymlinks(path); err == nil {
		return end, nil
	}
	// There is no file yet, or what is wrong with it shows when it is opened.
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	return path, nil
}

// lock makes the log ours until the file returned is closed. The lock is that of a
// file beside the log, which stays: SQLite's own locks end when any descriptor of
// the log itself is closed, and a file that is removed could be locked twice.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path+"-lock", os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the application's name
	if err != nil {
		return nil, err
	}
	err = lockFile(f)
	if err == nil {
		return f, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, errLocked) {
		return nil, &InUseError{Path: path}
	}
	return nil, fmt.Errorf("lazyrealtime/sqlite: lock %s: %w", path, err)
}
