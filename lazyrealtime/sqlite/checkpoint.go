package sqlite

import "sync"

const (
	pageSize = 4096
	// walPages is about how many pages are written to the WAL before it is copied into
	// the file, beside the writer.
	walPages = 4000
	// walLimit is how many make the writer wait until all of them are copied: one
	// that is never idle would have no chance to begin the WAL anew otherwise.
	walLimit = 16000
)

// checkpointer copies the WAL into the file while others read and write.
type checkpointer struct {
	l    *Log
	c    *conn
	due  chan struct{} // the writer has written a lot
	done chan struct{}
	// copying is held during a checkpoint: SQLite fails a second one at once.
	copying sync.Mutex
}

func newCheckpointer(l *Log) (*checkpointer, error) {
	c, err := dial(l.path, writing...)
	if err != nil {
		return nil, err
	}
	// Of a relaxed log too: a checkpoint without its syncs could lose the file, and
	// not only what was written last.
	return &checkpointer{l: l, c: c, due: make(chan struct{}, 1), done: make(chan struct{})}, nil
}

// wrote is called behind a transaction of about so many pages.
func (w *writer) wrote(pages int) {
	w.inWAL += pages
	w.uncopied += pages
	limit := w.l.opts.walLimit
	if w.inWAL >= limit {
		w.inWAL, w.uncopied = 0, 0
		if !w.restartWAL() {
			w.inWAL = limit * 3 / 4 // it is tried again soon
		}
	}
	if w.uncopied < min(walPages, limit/4) {
		return
	}
	w.uncopied = 0
	select {
	case w.l.checker.due <- struct{}{}:
	default:
	}
}

func (p *checkpointer) run() {
	defer close(p.done)
	for {
		select {
		case <-p.l.closing:
			return
		case <-p.due:
			_, _ = p.copy(p.c) // what a full disk keeps from being copied stays in the WAL
		}
	}
}

// copy copies what readers let it, and reports whether that was all.
func (p *checkpointer) copy(c *conn) (all bool, err error) {
	p.copying.Lock()
	defer p.copying.Unlock()
	row, err := c.one("PRAGMA wal_checkpoint(PASSIVE)")
	if err != nil {
		return false, err
	}
	return number(row[0]) == 0 && number(row[1]) == number(row[2]), nil
}

// restartWAL makes the next transaction begin the WAL anew, and reports whether it
// will. SQLite's own way of that, a checkpoint that waits for readers, polls until it
// finds a moment without one: with busy readers that is never. Here nothing is
// written meanwhile. So who begins to read when the older ones have ended sees what
// is latest, and all of the WAL can be copied; and who begins when those have ended
// reads the file alone.
func (w *writer) restartWAL() bool {
	w.l.awaitReaders()
	all, err := w.l.checker.copy(w.conn)
	w.l.awaitReaders()
	return all && err == nil
}

// awaitReaders waits until those who are reading have ended: milliseconds. Who wants
// to begin meanwhile waits, too.
func (l *Log) awaitReaders() {
	l.reads.Lock()
	l.reads.Unlock() //nolint:staticcheck // nothing is to be done between
}
