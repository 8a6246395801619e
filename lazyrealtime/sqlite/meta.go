package sqlite

import (
	"crypto/rand"
	"database/sql/driver"
	"os"
	"strings"
)

// Keys of the table meta.
const (
	metaEpoch    = "epoch"    // text
	metaFloor    = "floor"    // offset behind which topics begin
	metaIndexed  = "indexed"  // all messages up to this seq are in runs
	metaRestored = "restored" // 1: the file is a copy made by Backup, not opened yet
	metaBoot     = "boot"     // text: the machine's boot in which a relaxed log was opened, and not closed
	metaChecked  = "checked"  // when Check last wrote, in ms
)

const setMeta = "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"

func getMeta(c *conn, key string) (driver.Value, error) {
	row, err := c.one("SELECT value FROM meta WHERE key = ?", key)
	if err != nil || row == nil {
		return nil, err
	}
	return row[0], nil
}

// incarnation returns the log's epoch, and makes a new one where offsets may come
// again: for a new file, for a copy, and for a relaxed log after a crash of the
// machine.
func incarnation(c *conn, relaxed bool) (string, error) {
	v, err := getMeta(c, metaEpoch)
	if err != nil {
		return "", err
	}
	restored, err := getMeta(c, metaRestored)
	if err != nil {
		return "", err
	}
	boot, err := getMeta(c, metaBoot)
	if err != nil {
		return "", err
	}
	epoch, _ := v.(string)
	now := bootID()
	if was, ok := boot.(string); epoch == "" || number(restored) != 0 || (ok && (was == "" || was != now)) {
		epoch = rand.Text()[:13] // 64 bits and one more
	}
	return epoch, writeIncarnation(c, epoch, now, relaxed)
}

func writeIncarnation(c *conn, epoch, boot string, relaxed bool) error {
	if err := c.run(setMeta, metaEpoch, epoch); err != nil {
		return err
	}
	if err := c.run("DELETE FROM meta WHERE key IN (?, ?)", metaRestored, metaBoot); err != nil {
		return err
	}
	if !relaxed {
		return nil
	}
	return c.run(setMeta, metaBoot, boot)
}

// bootID names this run of the machine; empty where the system has no such name:
// then every log that was not closed may have lost something.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
