package realtime

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golazy.dev/lazywebsocket"
	"golazy.dev/lazywebsocket/wstest"
)

// fallBehind connects a client that does not read, and talks until the room has lost patience with it. It returns the
// client, and what serve will return.
func fallBehind(t *testing.T) (client *lazywebsocket.Conn, ended <-chan error) {
	t.Helper()
	server, client := wstest.NewPair(t, &chatUpgrader, &lazywebsocket.Dialer{Subprotocols: []string{EventsProtocol}})
	var room Room
	var ada ear
	a := join(t, &room, "Ada", &ada)
	t.Cleanup(a.Leave)
	result := make(chan error, 1)
	go func() { result <- serve(&room, server, "Slow") }()
	synctest.Wait()

	text := strings.Repeat("x", MaxMessage)
	for members := 2; members == 2; members = len(room.members) {
		say(t, a, text)
		synctest.Wait()
	}
	heard := ada.heard()
	if last := heard[len(heard)-1]; last != "left 2 Slow here=1: too slow" {
		t.Fatalf("Ada heard last %q", last)
	}
	return client, result
}

// lastWords reads what waits for the client, and returns the error behind it.
func lastWords(client *lazywebsocket.Conn) error {
	for {
		if _, _, err := client.ReadMessage(); err != nil {
			return err
		}
	}
}

// A client that stops reading for good cannot be told anything. It keeps its goroutines for no longer than one write
// may take, although the keepalive would wait longer.
func TestSocketStuckReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		client, ended := fallBehind(t)
		if err := <-ended; err != nil {
			t.Errorf("serve returned %v", err)
		}
		if took := time.Since(started); took < writeTimeout || took > writeTimeout+time.Second {
			t.Errorf("the client had %v, want %v", took, writeTimeout)
		}
		if err := lastWords(client); lazywebsocket.IsCloseError(err, lazywebsocket.ClosePolicyViolation) {
			t.Errorf("read %v behind half a frame", err)
		}
	})
}

// The same client, if it reads again in time, learns what happened.
func TestSocketLateReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, ended := fallBehind(t)
		time.Sleep(writeTimeout - time.Millisecond) // by the bubble's clock
		err := lastWords(client)
		var closed *lazywebsocket.CloseError
		if !errors.As(err, &closed) || closed.Code != lazywebsocket.ClosePolicyViolation || closed.Text != "too slow" {
			t.Errorf("read %v, want the close code 1008: too slow", err)
		}
		if err := <-ended; !lazywebsocket.IsCloseError(err, lazywebsocket.ClosePolicyViolation) {
			t.Errorf("serve returned %v, want the client's answer to the close code 1008", err)
		}
	})
}
