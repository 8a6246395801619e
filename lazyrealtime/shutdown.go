package lazyrealtime

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const defaultDrain = 5 * time.Second

// Ready says whether the hub takes connections: nil, or why not. It is what a load
// balancer should ask, through a page of the application's.
func (h *Hub) Ready() error {
	switch {
	case h.ctx.Err() != nil || h.draining():
		return fmt.Errorf("the hub is shutting down: %w", ErrClosed)
	case !h.current():
		return fmt.Errorf("the control log cannot be read: %w", ErrUnavailable)
	}
	return nil
}

// draining reports whether Shutdown was called.
func (h *Hub) draining() bool { return h.drains.Load() }

// Shutdown ends the hub: it is not Ready any more and refuses connections, tells
// its clients one after the other, over Config.Drain, that the server restarts, so
// that they do not come back all at once, closes them with 1001, and lets go of
// the engine, which it does not close. When ctx ends first, the rest goes at once,
// and its error is returned. Later calls do nothing.
func (h *Hub) Shutdown(ctx context.Context) error {
	if h.drains.Swap(true) {
		return nil
	}
	sessions := h.sessions.all()
	step := time.Duration(0)
	if drain := or(h.config.Drain, defaultDrain); drain > 0 && len(sessions) > 0 {
		step = drain / time.Duration(len(sessions))
	}
	err := h.dismissAll(ctx, sessions, step)
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel(ErrClosed)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	select {
	case <-h.sessions.gone(): // what they have called of the application's has returned
	case <-end.Done():
	}
	err = errors.Join(err, h.node.Close(end))
	h.all.Wait()
	return err
}

// dismissAll says goodbye to sessions, a step apart, and waits until they have
// gone.
func (h *Hub) dismissAll(ctx context.Context, sessions []*session, step time.Duration) error {
	start := time.Now()
	for i, s := range sessions {
		if wait := time.Until(start.Add(time.Duration(i) * step)); wait > 0 && ctx.Err() == nil {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
		h.leaving.Go(func() { s.dismiss(endRestart) })
	}
	gone := make(chan struct{})
	go func() {
		h.leaving.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		for _, s := range sessions {
			if s.conn != nil {
				_ = s.conn.Close() // ends the handshake that Shutdown waits for
			}
		}
		return ctx.Err()
	}
}
