package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	driversqlite "modernc.org/sqlite"
)

// conn is a connection to the file, for one goroutine at a time. It is the driver's
// own, without database/sql between: that one locks, copies and converts for every
// row, and a pool of writers is what this package must not have.
type conn struct {
	dc    driver.Conn
	stmts []*stmt
}

// writing are the pragmas of all connections that write. Checkpoints are the
// checkpointer's business; the size that the WAL may keep behind one is bounded.
var writing = []string{
	"busy_timeout = 10000", "synchronous = FULL", "fullfsync = ON", "wal_autocheckpoint = 0",
	"cache_size = -16384", "temp_store = MEMORY",
	fmt.Sprintf("journal_size_limit = %d", 2*walLimit*pageSize),
}

// dial opens a connection and runs its pragmas.
func dial(path string, pragmas ...string) (*conn, error) {
	dc, err := (&driversqlite.Driver{}).Open(uri(path))
	if err != nil {
		return nil, err
	}
	c := &conn{dc: dc}
	for _, p := range pragmas {
		if err := c.run("PRAGMA " + p); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// useWAL makes the file's journal a WAL, and sees that it is: a file system without
// shared memory cannot have one.
func (c *conn) useWAL() error {
	row, err := c.one("PRAGMA journal_mode = WAL")
	if err == nil && row[0] != "wal" {
		err = fmt.Errorf("its file system cannot have a WAL: the journal is %v", row[0])
	}
	return err
}

// uri is path as SQLite reads it, whatever characters there are in it.
func uri(path string) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // a drive's letter
	}
	return (&url.URL{Scheme: "file", Path: p}).String()
}

// run executes a statement, or several without parameters, and forgets it.
func (c *conn) run(query string, args ...driver.Value) error {
	_, err := c.dc.(driver.ExecerContext).ExecContext(context.Background(), query, named(nil, args))
	return err
}

// one returns the first row of a query that is run once.
func (c *conn) one(query string, args ...driver.Value) ([]driver.Value, error) {
	s, err := c.prepare(query)
	if err != nil {
		return nil, err
	}
	defer func() {
		c.stmts = c.stmts[:len(c.stmts)-1]
		_ = s.s.Close() // of a statement that has been read to its end
	}()
	return s.one(args...)
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		_ = s.s.Close() // the connection's Close says what matters
	}
	return c.dc.Close()
}

// stmt is a prepared statement of a conn.
type stmt struct {
	s interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}
	args []driver.NamedValue
}

// prepare prepares a statement that lives as long as the connection.
func (c *conn) prepare(query string) (*stmt, error) {
	ds, err := c.dc.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", query, err)
	}
	s := &stmt{}
	var ok bool
	if s.s, ok = ds.(interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}); !ok {
		return nil, errors.Join(fmt.Errorf("driver has an old statement %T", ds), ds.Close())
	}
	c.stmts = append(c.stmts, s)
	return s, nil
}

// exec runs the statement and returns how many rows it has changed.
func (s *stmt) exec(args ...driver.Value) (int64, error) {
	s.args = named(s.args[:0], args)
	r, err := s.s.ExecContext(context.Background(), s.args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// each calls what for every row; the slice is the same each time, what it holds is
// what's to keep. A columns' values are int64, []byte, string or nil.
func (s *stmt) each(what func(row []driver.Value) error, args ...driver.Value) (err error) {
	s.args = named(s.args[:0], args)
	rows, err := s.s.QueryContext(context.Background(), s.args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := what(row); err != nil {
			return err
		}
	}
}

// one returns the first row, or nil if there is none.
func (s *stmt) one(args ...driver.Value) (found []driver.Value, err error) {
	err = s.each(func(row []driver.Value) error {
		if found == nil {
			found = append(found, row...)
		}
		return nil
	}, args...)
	return found, err
}

// named appends args to list as the driver wants them.
func named(list []driver.NamedValue, args []driver.Value) []driver.NamedValue {
	for i, v := range args {
		list = append(list, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return list
}

// number is a column that is an integer or NULL.
func number(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

// bytesOf is a column that is a blob or NULL.
func bytesOf(v driver.Value) []byte {
	b, _ := v.([]byte)
	return b
}

// blob is a string's column: a blob keeps every byte of it, NULL stands for none.
func blob(s string) driver.Value {
	if s == "" {
		return nil
	}
	return []byte(s)
}
