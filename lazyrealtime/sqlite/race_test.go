//go:build race

package sqlite

// raced says that everything takes ten times as long.
const raced = true
