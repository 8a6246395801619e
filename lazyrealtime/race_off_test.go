//go:build !race

package lazyrealtime_test

const raceEnabled = false
