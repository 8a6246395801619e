package sqlite

import (
	"fmt"
)

// applicationID marks the file as one of ours (PRAGMA application_id): "lzrt".
const applicationID = 0x6c7a7274

// upgrades are the steps from each schema version to the next, the first from an
// empty file to version 1. A step that was released is never changed.
//
// A version is also what the columns hold, as the form of runs and their length: who
// changes that adds a step, be it an empty one, so that older programs refuse the file.
// Further keys of meta and kinds of controls are none: older programs leave them alone.
//
// Names, ids and data are blobs: they keep every byte that a Go string has.
var upgrades = []string{
	// messages only ever grows at its end, and loses its oldest rows: both touch few
	// pages. What belongs to a topic is found through runs: a row has the seqs of up
	// to runLength messages with offsets that follow each other, first being the
	// offset of the first of them. Runs are written together for many messages
	// (index.go), messages behind meta's "indexed" have none yet. RESULTS.md has what
	// the usual layouts, an index or a table clustered by topic, cost.
	`CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
	CREATE TABLE topics (
		id      INTEGER PRIMARY KEY,
		name    BLOB NOT NULL UNIQUE,
		last    INTEGER NOT NULL, -- latest offset, where no run or message is behind it
		lower   INTEGER NOT NULL, -- offsets up to this are gone
		keep    INTEGER NOT NULL, -- messages
		keep_ms INTEGER NOT NULL
	);
	CREATE TABLE messages (
		seq    INTEGER PRIMARY KEY,
		topic  INTEGER NOT NULL,
		off    INTEGER NOT NULL,
		at     INTEGER NOT NULL, -- Unix time in ms; never falls from row to row
		id     BLOB,
		sender BLOB,
		data   BLOB
	);
	CREATE TABLE runs (
		topic INTEGER NOT NULL,
		first INTEGER NOT NULL,
		seqs  BLOB NOT NULL, -- varints: the first seq, then the differences
		PRIMARY KEY (topic, first)
	) WITHOUT ROWID;
	CREATE TABLE controls (
		seq     INTEGER PRIMARY KEY AUTOINCREMENT,
		kind    BLOB,
		key     BLOB,
		value   BLOB,
		expires INTEGER NOT NULL
	);`,

	// Claims, and since when a topic has had no messages (0: it has some).
	`CREATE TABLE claims (key BLOB PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID;
	CREATE INDEX claims_expires ON claims (expires);
	ALTER TABLE topics ADD COLUMN idle INTEGER NOT NULL DEFAULT 0;`,
}

// VersionError is Open's for a file that a newer version of this package has
// written. Nothing in it was changed.
type VersionError struct {
	Path    string
	Version int // the file's schema
	Known   int // the latest that this package can read
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("lazyrealtime/sqlite: %s has schema version %d, and this program knows versions up to %d", e.Path, e.Version, e.Known)
}

// upgrade makes the schema that of this package, whatever it was, in one
// transaction.
func upgrade(c *conn, path string, steps []string) (err error) {
	version, err := knownVersion(c, path, steps)
	if err != nil || version == len(steps) {
		return err
	}
	if err := c.run("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := runUpgrades(c, version, steps); err != nil {
		_ = c.run("ROLLBACK") // the step's error says more
		return fmt.Errorf("lazyrealtime/sqlite: upgrade %s from schema version %d: %w", path, version, err)
	}
	return c.run("COMMIT")
}

func runUpgrades(c *conn, version int, steps []string) error {
	if version == 0 {
		err := c.run(fmt.Sprintf("PRAGMA application_id = %d; CREATE TABLE schema (version INTEGER PRIMARY KEY, at TEXT)", applicationID))
		if err != nil {
			return err
		}
	}
	for i := version; i < len(steps); i++ {
		if err := c.run(steps[i]); err != nil {
			return err
		}
		if err := c.run("INSERT INTO schema VALUES (?, datetime())", int64(i+1)); err != nil {
			return err
		}
	}
	return nil
}

// knownVersion is schemaVersion of a file that can be read with the steps.
func knownVersion(c *conn, path string, steps []string) (int, error) {
	version, err := schemaVersion(c, path)
	if err == nil && version > len(steps) {
		err = &VersionError{Path: path, Version: version, Known: len(steps)}
	}
	return version, err
}

// schemaVersion returns the version of the file, 0 for an empty one.
func schemaVersion(c *conn, path string) (int, error) {
	app, err := c.one("PRAGMA application_id")
	if err != nil {
		return 0, fmt.Errorf("lazyrealtime/sqlite: %s: %w", path, err)
	}
	if number(app[0]) != applicationID {
		tables, err := c.one("SELECT count(*) FROM sqlite_schema")
		if err != nil {
			return 0, err
		}
		if number(app[0]) != 0 || number(tables[0]) != 0 {
			return 0, fmt.Errorf("lazyrealtime/sqlite: %s is a database of something else", path)
		}
		return 0, nil
	}
	row, err := c.one("SELECT max(version) FROM schema")
	if err != nil {
		return 0, err
	}
	return int(number(row[0])), nil
}
