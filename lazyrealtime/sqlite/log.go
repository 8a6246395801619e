// Package sqlite is an engine for lazyrealtime: a log in a SQLite file, for one
// process. It needs nothing else.
//
//	log, err := sqlite.Open(ctx, "messages.db", sqlite.Options{})
//
// One goroutine writes. It commits what has queued in one transaction, so that many
// messages share the disk's fsync, and a message is acknowledged behind that fsync:
// what is acknowledged survives the death of the process and of the machine, as far
// as the disk keeps what it says it has. Readers have connections of their own and
// wait for nobody.
//
// Offsets count from 1 within a topic. Beside the file there are one that ends in
// -wal and belongs to it, -shm, and -lock.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/internal/local"
)

var _ lazyrealtime.Log = (*Log)(nil)

// Log is a log in a file. All methods may be called concurrently.
type Log struct {
	path  string
	opts  Options
	epoch string
	now   func() time.Time
	held  *os.File // the lock
	local *local.Local
	heads *heads

	readers     chan *queries // those that nobody uses
	readersOpen int
	queue       chan *op     // to the writer
	writer      *writer      // its goroutine's, but for what it locks
	reads       sync.RWMutex // held for reading by read transactions, and for a moment by restartWAL
	sweeper     *sweeper
	checker     *checkpointer

	committed chan commit // from the writer
	told      chan []live // from acknowledge, to the feeds
	silent    chan struct{}

	close     sync.Once
	enqueuing sync.RWMutex  // held for reading by who sends to queue
	closing   chan struct{} // closed first: nothing is begun
	closed    chan struct{} // closed last: nothing is left
	closeErr  error         // before closed

	abandoned atomic.Bool // tests only: as if the process had died, nothing is committed
}

// Open opens the log in a file, which is made if there is none; its directory must
// be there. The file belongs to this Log until Close: for another one the error is
// an *InUseError. A file of an earlier version is upgraded; for one of a later
// version the error is a *VersionError. Ctx is for opening alone.
func Open(ctx context.Context, path string, options Options) (*Log, error) {
	return openWith(ctx, path, options, time.Now)
}

// openWith is Open with a clock.
func openWith(ctx context.Context, path string, options Options, now func() time.Time) (*Log, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := realPath(path)
	if err != nil {
		return nil, err
	}
	held, err := lock(path)
	if err != nil {
		return nil, err
	}
	l := newLog(path, options.orDefault(), now)
	l.held = held
	if err := l.connect(); err != nil {
		return nil, errors.Join(fmt.Errorf("lazyrealtime/sqlite: open %s: %w", path, err), l.disconnect())
	}
	l.start()
	return l, nil
}

func newLog(path string, o Options, now func() time.Time) *Log {
	return &Log{
		path: path, opts: o, now: now,
		local: local.New(), heads: newHeads(o.Topics),
		readers: make(chan *queries, o.Readers), queue: make(chan *op, o.Queue),
		committed: make(chan commit, 1), told: make(chan []live, 16), silent: make(chan struct{}),
		closing: make(chan struct{}), closed: make(chan struct{}),
	}
}

// connect opens the file and makes it ours.
func (l *Log) connect() error {
	if err := create(l.path); err != nil {
		return err
	}
	c, err := dial(l.path, writing...)
	if err != nil {
		return err
	}
	l.writer = &writer{queries: &queries{conn: c}}               // for disconnect
	if _, err := knownVersion(c, l.path, upgrades); err != nil { // before anything is changed
		return err
	}
	if err := c.useWAL(); err != nil {
		return err
	}
	if err := upgrade(c, l.path, upgrades); err != nil {
		return err
	}
	if l.epoch, err = incarnation(c, l.opts.Relaxed); err != nil {
		return err
	}
	if l.opts.Relaxed {
		if err := c.run("PRAGMA synchronous = NORMAL"); err != nil {
			return err
		}
	}
	if err := l.connectOthers(); err != nil {
		return err
	}
	l.writer, err = newWriter(l, c)
	if err != nil {
		l.writer = &writer{queries: &queries{conn: c}}
		return err
	}
	return l.writer.restore()
}

// connectOthers opens the readers, and the connections of goroutines to come.
func (l *Log) connectOthers() error {
	for range cap(l.readers) {
		q, err := l.dialReader("cache_size = -4096")
		if err != nil {
			return err
		}
		l.readers <- q
		l.readersOpen++
	}
	var err error
	if l.sweeper, err = newSweeper(l); err != nil {
		return err
	}
	l.checker, err = newCheckpointer(l)
	return err
}

func (l *Log) dialReader(pragmas ...string) (*queries, error) {
	c, err := dial(l.path, append(pragmas, "busy_timeout = 10000", "query_only = ON")...)
	if err != nil {
		return nil, err
	}
	q, err := newQueries(c)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return q, nil
}

// create makes the file if there is none: nobody else may read it. SQLite gives the
// files beside it the same mode.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the application's name
	if err != nil {
		return err
	}
	return f.Close()
}

func (l *Log) start() {
	go l.writer.run()
	go l.acknowledge()
	go l.tell()
	go l.sweeper.run()
	go l.checker.run()
}

// open reports why a call cannot begin.
func (l *Log) open(ctx context.Context) error {
	select {
	case <-l.closing:
		return lazyrealtime.ErrClosed
	default:
		return ctx.Err()
	}
}

// Append implements lazyrealtime.Log. A call's entries are in one transaction. If
// ctx ends while they wait for the writer they are not appended.
func (l *Log) Append(ctx context.Context, entries []lazyrealtime.Entry) ([]lazyrealtime.Appended, error) {
	for i := range entries {
		if err := checkEntry(&entries[i]); err != nil {
			return nil, err
		}
	}
	if len(entries) == 0 {
		return nil, l.open(ctx)
	}
	o := &op{entries: entries}
	if err := l.perform(ctx, o); err != nil {
		return nil, err
	}
	return o.results, nil
}

// maxEntry is what a row can hold for certain: SQLite's own limit is 1 GB.
const maxEntry = 512 << 20

var errTooBig = errors.New("lazyrealtime/sqlite: a message with its names has more than 512 MiB")

// checkEntry keeps away what would fail the transaction that it is in.
func checkEntry(e *lazyrealtime.Entry) error {
	if len(e.Topic)+len(e.ID)+len(e.From)+len(e.Data) > maxEntry {
		return errTooBig
	}
	return nil
}

// Join implements lazyrealtime.Log. The nodes are those of this process.
func (l *Log) Join(ctx context.Context, feed lazyrealtime.Feed) (lazyrealtime.Node, error) {
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	return l.local.Join(ctx, feed)
}

// Check implements lazyrealtime.Log: it writes to the file.
func (l *Log) Check(ctx context.Context) error {
	return l.perform(ctx, &op{do: func(w *writer) error {
		_, err := w.setMeta.exec(metaChecked, w.tx.at)
		return err
	}})
}

// Close implements lazyrealtime.Log. What has been taken is committed first. A
// second Close waits for the first and returns what it did.
func (l *Log) Close() error {
	l.close.Do(func() {
		close(l.closing)
		l.enqueuing.Lock() // those who were about to send have sent or given up
		close(l.queue)
		l.enqueuing.Unlock()
		<-l.silent
		l.local.Close()
		<-l.sweeper.done
		<-l.checker.done
		l.closeErr = errors.Join(l.writer.finish(), l.disconnect())
		close(l.closed)
	})
	<-l.closed
	return l.closeErr
}

// disconnect closes whatever was opened. Readers that are out come back.
func (l *Log) disconnect() error {
	var errs []error
	for range l.readersOpen {
		errs = append(errs, (<-l.readers).close())
	}
	if l.sweeper != nil {
		errs = append(errs, l.sweeper.q.close())
	}
	if l.checker != nil {
		errs = append(errs, l.checker.c.close())
	}
	if l.writer != nil {
		errs = append(errs, l.writer.close())
	}
	return errors.Join(append(errs, l.held.Close())...)
}
