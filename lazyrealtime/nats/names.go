package nats

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash/fnv"
	"strconv"
	"strings"
)

// names are those of a log's streams and subjects:
//
//	NAME.m.EPOCH.TOPIC           messages, in stream NAME_log_PARTITION
//	NAME.l.TOPIC.m               the same, once they are stored
//	NAME.l.TOPIC.f               what Node.Send sends
//	NAME.l.TOPIC.e               who enters and leaves
//	NAME.c.r, NAME.c.q.KEY       control log and claims, in stream NAME_control
//	NAME.c.q.%m                  marks of readers of the control log, there too
//	NAME.k                       the control log has grown
//	NAME.p.n.NODE                leases, in stream NAME_presence
//	NAME.p.e.TOPIC.NODE.IDENTITY members, there too
//	NAME.x                       a node has left
//
// A later version may send other letters behind NAME.l.TOPIC: those who do not know them
// ignore them. What everybody has to know needs another format (FormatError).
//
// The epoch is in the subject of a message so that what was meant for a stream that
// is gone never ends up in the one that took its place.
type names string

func (n names) logStream(partition int) string { return string(n) + "_log_" + strconv.Itoa(partition) }
func (n names) controlStream() string          { return string(n) + "_control" }
func (n names) presenceStream() string         { return string(n) + "_presence" }

func (n names) message(epoch, topic string) string { return string(n) + ".m." + epoch + "." + topic }
func (n names) live(topic string) string           { return string(n) + ".l." + topic + ".*" }
func (n names) fleeting(topic string) string       { return string(n) + ".l." + topic + ".f" }
func (n names) event(topic string) string          { return string(n) + ".l." + topic + ".e" }
func (n names) record() string                     { return string(n) + ".c.r" }
func (n names) claim(key string) string            { return string(n) + ".c.q." + digest(key) }
func (n names) controlMark() string                { return string(n) + ".c.q." + markToken }
func (n names) changed() string                    { return string(n) + ".k" }
func (n names) lease(node string) string           { return string(n) + ".p.n." + node }
func (n names) left() string                       { return string(n) + ".x" }

func (n names) member(topic, node, id string) string {
	return string(n) + ".p.e." + topic + "." + node + "." + id
}

// topicOf returns the token of the topic in a subject of the live feed, and the
// letter behind it.
func (n names) topicOf(subject string) (topic string, kind byte) {
	rest := subject[min(len(n)+len(".l."), len(subject)):]
	end := len(rest) - len(".m")
	if end < 0 {
		return "", 0
	}
	return rest[:end], rest[len(rest)-1]
}

// epochOf returns the epoch in a message's subject.
func (n names) epochOf(subject string) string {
	rest := subject[min(len(n)+len(".m."), len(subject)):]
	epoch, _, _ := strings.Cut(rest, ".")
	return epoch
}

// A token is what a subject has between its dots. Longer names than fit well are
// hashed.
const maxToken = 160

// token encodes any string as a subject's token, different ones differently. Most
// names that people give to topics stay as they are.
func token(s string) string {
	plain := s != ""
	for i := 0; plain && i < len(s); i++ {
		plain = plainByte(s[i])
	}
	if plain && len(s) <= maxToken {
		return s
	}
	if len(s) > maxToken {
		sum := sha256.Sum256([]byte(s))
		return "%%%" + hex.EncodeToString(sum[:]) // no escape begins so
	}
	var b strings.Builder
	b.WriteByte('%') // so that no escaped name is like a plain one, and none is empty
	for i := range len(s) {
		if c := s[i]; plainByte(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteString(hex.EncodeToString([]byte{c}))
		}
	}
	return b.String()
}

// plainByte reports whether a byte may stand in a token. A % begins an escape; $
// and / are legal but mean something to some tools, as do wildcards and dots to the
// servers.
func plainByte(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(".*>%$", c) < 0
}

// digest is a short name for any strings, different for different ones.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		// The length keeps ("a", "bc") and ("ab", "c") apart.
		h.Write(strconv.AppendInt(nil, int64(len(p)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(p))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// partitionOf spreads topics over n partitions, always in the same way: FNV-1a, 64
// bits.
func partitionOf(topic string, n int) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(topic))     // it never fails
	return int(h.Sum64() % uint64(n)) //nolint:gosec // n is at most 1024
}
