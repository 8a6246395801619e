package lazyrealtime

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"
)

const (
	recordRevoke          = "revoke"
	defaultRevokeWithin   = 10 * time.Second
	defaultCredentialLife = 31 * 24 * time.Hour
)

// revocations are the identities that were revoked, and when.
type revocations struct {
	woken chan struct{} // has room for one

	reading sync.Mutex
	seq     uint64 // of the control log; guarded by reading

	mu    sync.Mutex
	at    map[string]revocation
	known time.Time // when the control log was read last
}

type revocation struct{ at, expires time.Time }

// wake makes the hub read the control log.
func (r *revocations) wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// voids reports whether a credential is void.
func (r *revocations) voids(id Identity) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.at[id.ID]
	return ok && id.ID != "" && !id.Issued.After(v.at)
}

// Revoke makes every credential of an identity void that was issued until now, on
// all nodes and across restarts, and closes its connections: on this node before
// it returns, on others at once if they can be reached, and in any case within
// Config.RevokeWithin. It counts by the clocks of the nodes. Revocations are forgotten
// after Config.CredentialLife: no credential lives longer, see Check.
func (h *Hub) Revoke(ctx context.Context, id string) error {
	if id == "" {
		return errors.New("lazyrealtime: the anonymous identity cannot be revoked")
	}
	now := time.Now()
	life := or(h.config.CredentialLife, defaultCredentialLife)
	err := h.log.Control(ctx, Record{
		Kind: recordRevoke, Key: id, Value: strconv.FormatInt(now.UnixNano(), 10), Expires: now.Add(life),
	})
	if err != nil {
		return err
	}
	h.revoke(id, revocation{now, now.Add(life)})
	return nil
}

// readControls reads what is new in the control log, and acts on it.
func (h *Hub) readControls(ctx context.Context) error {
	r := &h.revoked
	r.reading.Lock()
	defer r.reading.Unlock()
	start := time.Now()
	records, seq, err := h.log.Controls(ctx, r.seq)
	if err != nil {
		return err
	}
	r.seq = seq
	for _, record := range records {
		h.control(record, start)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = start
	for id, v := range r.at {
		if v.expires.Before(start) {
			delete(r.at, id)
		}
	}
	return nil
}

// control acts on a record that is read now. Kinds that are not known are a later
// version's: those that older nodes must not ignore it does not write while there are
// such. A revocation of which the time is not understood is one of all that was issued
// until now: it is not to be ignored, and concerns one identity.
func (h *Hub) control(record Record, now time.Time) {
	if record.Kind != recordRevoke {
		h.logger.Info("a record of the control log is not known", "kind", record.Kind)
		return
	}
	at := now
	if ns, err := strconv.ParseInt(record.Value, 10, 64); err == nil {
		at = time.Unix(0, ns)
	} else {
		h.logger.Warn("the time of a revocation is not understood: everything until now is void", "identity", record.Key, "value", record.Value)
	}
	h.revoke(record.Key, revocation{at, record.Expires})
}

// revoke notes a revocation and ends whom it concerns.
func (h *Hub) revoke(id string, v revocation) {
	r := &h.revoked
	r.mu.Lock()
	if old, ok := r.at[id]; !ok || v.at.After(old.at) {
		if r.at == nil {
			r.at = make(map[string]revocation)
		}
		r.at[id] = v
	}
	r.mu.Unlock()
	for _, s := range h.sessions.of(id) {
		if !s.id.Issued.After(v.at) && s.disconnect(endRevoked) {
			h.count(CountRevoked, 1)
		}
	}
}

// current reports whether the control log was read lately enough to let somebody in.
func (h *Hub) current() bool { return h.currentFor() > 0 }

// currentFor returns how long it still will be if it is not read again.
func (h *Hub) currentFor() time.Duration {
	h.revoked.mu.Lock()
	defer h.revoked.mu.Unlock()
	return or(h.config.RevokeWithin, defaultRevokeWithin) - time.Since(h.revoked.known)
}

// watchControls reads the control log when it has grown, and now and then. When it
// cannot be read for RevokeWithin, nobody knows who was revoked: all connections
// end.
func (h *Hub) watchControls() {
	often := or(h.config.RevokeWithin, defaultRevokeWithin) / 4
	// Neither the wait nor the reading may take longer than the log counts as read.
	most := func() time.Duration {
		if left := h.currentFor(); left > 0 {
			return min(often, left)
		}
		return often
	}
	var failed error // of the latest reading
	for {
		timer := time.NewTimer(most())
		select {
		case <-timer.C:
		case <-h.revoked.woken:
		case <-h.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
		h.endUnlessCurrent(failed) // before a reading, which may take its time
		ctx, cancel := context.WithTimeout(h.ctx, most())
		failed = h.readControls(ctx)
		cancel()
		h.endUnlessCurrent(failed)
	}
}

// endUnlessCurrent ends all connections if reading the control log has failed for
// RevokeWithin.
func (h *Hub) endUnlessCurrent(failed error) {
	if failed == nil || h.current() {
		return
	}
	h.logger.Error("the control log cannot be read: all connections end", "error", failed)
	for _, s := range h.sessions.all() {
		s.disconnect(endRestart)
	}
}
