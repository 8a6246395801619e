package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golazy.dev/examples/chat/app/realtime"
	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/nats"
	"golazy.dev/lazyrealtime/sqlite"
)

// setFiles says where files are that nobody has named.
func (s *settings) setFiles() error {
	home := filepath.Dir(s.db)
	if s.db == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("there is no cache directory, so that -db or -secret is needed: %w", err)
		}
		home = filepath.Join(cache, "golazy-chat")
		if err := os.MkdirAll(home, 0o700); err != nil {
			return err
		}
		s.db = filepath.Join(home, "chat.db")
	}
	if s.secret == "" {
		s.secret = filepath.Join(home, "chat.secret")
	}
	return nil
}

// dedupe is how long after a first attempt a page may say the same again: a laptop that closed in between has slept.
const dedupe = 24 * time.Hour

// openLog opens the engine: the file, or what several of us share.
func (s *settings) openLog(ctx context.Context) (lazyrealtime.Log, error) {
	if s.nats != "" {
		return nats.Open(ctx, s.nats, nats.Options{Name: "chat", Partitions: 8, Window: dedupe, Retain: realtime.Kept})
	}
	return sqlite.Open(ctx, s.db, sqlite.Options{DedupeWindow: dedupe})
}

// readSecret returns the key of all keys. If there is no file, it makes one; of several processes that do so at once, one
// wins and the others read its key.
func readSecret(name string) ([]byte, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the owner of the process has named it
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSecret(name); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(name) //nolint:gosec // as above
	}
	if err != nil {
		return nil, err
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) < 32 {
		return nil, fmt.Errorf("%s is not a secret: it should have 64 hexadecimal digits", name)
	}
	return secret, nil
}

// makeSecret writes a new key beside its place and links it there, so that no reader sees half of it.
func makeSecret(name string) error {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	draft, err := os.CreateTemp(filepath.Dir(name), ".secret-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, err = draft.WriteString(hex.EncodeToString(secret) + "\n")
	if err := errors.Join(err, draft.Close()); err != nil {
		return err
	}
	if err := os.Link(draft.Name(), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
