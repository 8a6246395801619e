package lazyrealtime_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// An identity that comes and goes within a second, as a browser does from page to page,
// is known by its last connection: or a revocation would not find that.
func TestRevokeOfWhoComesAndGoes(t *testing.T) {
	within(t, revocable, func(w *world) {
		time.Sleep(time.Second + time.Millisecond) // what is at rest is looked at every second
		c := w.join("a", base)
		c.subscribe(roomID)
		c.send(command("message", roomID, `,"data":"{}"`)) // its rate is not what it was, for 20 ms
		synctest.Wait()
		_ = c.conn.Close()
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		_ = w.join("a", base).conn.Close()
		synctest.Wait()
		last := w.join("a", base)
		time.Sleep(2 * time.Second)
		w.revoke("a")
		last.wantClose(remote, 1008)
		w.wantStats(0, 0)
	})
}
