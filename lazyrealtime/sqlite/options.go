package sqlite

import "time"

// Options are the settings of a Log. The zero Options are good ones.
type Options struct {
	// Relaxed acknowledges a message when the operating system has it, without
	// waiting for the disk: what is acknowledged survives the death of the process
	// and not that of the machine. As offsets could then be given out twice, a log
	// that finds the machine restarted under it without having been closed begins a
	// new epoch.
	Relaxed bool

	// DedupeWindow is how long a message's ID is remembered. A message that comes
	// with the ID of another one of its topic within it is not appended. A message
	// with an ID takes room in the file for that long, whatever its retention. If
	// zero, 2 min. If negative, IDs are stored and not looked at.
	DedupeWindow time.Duration

	// DedupeIDs is how many IDs are remembered at most, in about 30 bytes of memory
	// each: if more than that come within the window, the window is shorter. If
	// zero or negative, 4,194,304, which is 35,000 messages a second for 2 min.
	DedupeIDs int

	// Queue is how many calls may wait for the writer; more wait for a place. If
	// zero or negative, 1024.
	Queue int

	// Readers is how many Reads run at once; more wait. If zero or negative, 4.
	Readers int

	// Topics is how many topics' latest offsets are held in memory, in about 300
	// bytes each, beside those of topics with very new messages. Others cost a look
	// into the file. If zero or negative, 65,536.
	Topics int

	// ReapAfter is how long a topic without messages is remembered. Behind that its
	// offset is not: it begins again behind the highest offset of all the topics
	// that were forgotten, so that no offset is ever given out twice, and a reader
	// that comes back to it is told of a gap. If zero, 24 h. If negative, for ever.
	ReapAfter time.Duration

	// Backlog is how many of the latest messages are found through memory, in about
	// 8 bytes each, before the index in the file has them. More are cheaper to
	// write, and longer to read when the file is opened after a crash. If zero or
	// negative, 65,536.
	Backlog int

	walLimit int // checkpoint.go; tests have another
}

const (
	defaultDedupeWindow = 2 * time.Minute
	defaultDedupeIDs    = 1 << 22
	defaultQueue        = 1024
	defaultReaders      = 4
	defaultTopics       = 1 << 16
	defaultReapAfter    = 24 * time.Hour
	defaultBacklog      = 1 << 16
)

// orDefault returns o with the defaults filled in; durations are zero for never.
func (o Options) orDefault() Options {
	o.DedupeWindow = durationOr(o.DedupeWindow, defaultDedupeWindow)
	o.ReapAfter = durationOr(o.ReapAfter, defaultReapAfter)
	o.DedupeIDs = numberOr(o.DedupeIDs, defaultDedupeIDs)
	o.Queue = numberOr(o.Queue, defaultQueue)
	o.Readers = numberOr(o.Readers, defaultReaders)
	o.Topics = numberOr(o.Topics, defaultTopics)
	o.Backlog = numberOr(o.Backlog, defaultBacklog)
	o.walLimit = numberOr(o.walLimit, walLimit)
	return o
}

func durationOr(d, ifZero time.Duration) time.Duration {
	if d == 0 {
		return ifZero
	}
	return max(d, 0)
}

func numberOr(n, ifNone int) int {
	if n <= 0 {
		return ifNone
	}
	return n
}
