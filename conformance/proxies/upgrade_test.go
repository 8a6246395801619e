package proxies_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// upgrade is two hubs of two versions on one NATS.
type upgrade struct {
	*testing.T
	nats    string
	hubs    map[string]*hub // a and b
	runs    map[string]version
	nodes   map[string]*node // by version
	clients []*client        // of the check that runs
	revoked []string         // tokens
	checks  int
}

// upgradeFlags are those of hubs that are restarted: the clients come back soon.
var upgradeFlags = []string{"-drain", "1s", "-presence", "-secret", secret, "-jwt-key", jwtKey}

func startUpgrade(t *testing.T, a, b version) *upgrade {
	t.Helper()
	u := &upgrade{
		T: t, nats: startNATS(t), hubs: make(map[string]*hub),
		runs: map[string]version{"a": a, "b": b}, nodes: make(map[string]*node),
	}
	for _, name := range []string{"a", "b"} { // a makes the streams
		u.hubs[name] = startHubOf(t, u.runs[name].lazyws, u.nats, upgradeFlags...)
	}
	return u
}

// node returns a node of a version; of the other one, where it cannot be built.
func (u *upgrade) node(v, instead version) *node {
	u.Helper()
	if v.node == "" {
		v = instead
	}
	if u.nodes[v.name] == nil {
		u.nodes[v.name] = startNode(u.T, v, u.nats)
	}
	return u.nodes[v.name]
}

// becomes restarts a hub with another version. Who was present there is seen to go by
// those at the other hub.
func (u *upgrade) becomes(name, other string, v version) {
	u.Helper()
	u.checks++
	room := public(fmt.Sprint("leaving-", u.checks))
	carol := u.enters(name, "carol", room)
	bob := u.connect(other, "bob", token("bob")).welcomed()
	bob.subscribe(room)
	bob.say("presence", room)
	bob.want("presence", `"carol"`)
	if err := u.hubs[name].cmd.Process.Signal(syscall.SIGTERM); err != nil {
		u.Fatal(err)
	}
	carol.want("presence", `"join"`) // her own
	carol.want("disconnect", "")
	bob.want("presence", `"leave"`)
	u.leave()
	if code := u.hubs[name].wait(); code != 0 {
		u.Errorf("%s ended with %d", name, code)
	}
	u.hubs[name].program, u.runs[name] = v.lazyws, v
	u.hubs[name].start()
}

// connect is connect for as long as a check runs.
func (u *upgrade) connect(at, who, token string) *client {
	u.Helper()
	c := connect(u.T, u.hubs[at], who, token)
	u.clients = append(u.clients, c)
	return c
}

// leave ends the clients of a check.
func (u *upgrade) leave() {
	for _, c := range u.clients {
		c.conn.Close()
	}
	u.clients = nil
}

// enters connects somebody to a hub, who is present then.
func (u *upgrade) enters(at, who, identifier string) *client {
	u.Helper()
	c := u.connect(at, who, token(who)).welcomed()
	c.subscribe(identifier)
	c.say("join", identifier, "presence", map[string]any{"info": map[string]string{"name": who}})
	return c
}

// across does everything that one hub does and another has to know of.
func (u *upgrade) across(from, to string, newer version) {
	u.Helper()
	u.checks++
	n := u.checks
	began := time.Now()
	writer := u.node(u.runs[from], newer)
	u.presence(from, to, fmt.Sprint("room-", n))
	u.messages(from, to, fmt.Sprint("news-", n))
	u.signed(writer, from, to, fmt.Sprint("page-", n))
	u.revoke(writer, from, to, fmt.Sprint("mallory-", n))
	u.leave()
	u.Logf("%s (%s) to %s (%s): presence, messages, names, positions, tickets, revocations: %v", from, u.runs[from].name, to, u.runs[to].name,
		time.Since(began).Round(time.Millisecond))
}

// presence: who enters, whispers and leaves at one hub does so at the other.
func (u *upgrade) presence(from, to, topic string) {
	u.Helper()
	room := public(topic)
	bob := u.connect(to, "bob", token("bob")).welcomed()
	bob.subscribe(room)
	bob.say("presence", room)
	bob.want("presence", `"total":0`)
	alice := u.enters(from, "alice", room)
	bob.want("presence", `"join"`)
	bob.say("presence", room)
	bob.want("presence", `"records":[{"id":"alice","info":{"name":"alice"}}]`)
	if got := u.node(u.runs[to], u.runs[from]).do("presence", topic); got != `alice {"name":"alice"};` {
		u.Errorf("a node of the %s version says that %q are present", u.runs[to].name, got)
	}
	alice.say("whisper", room, "data", map[string]string{"types": "alice"})
	if f := bob.want("", `"types":"alice"`); f.Offset != 0 {
		u.Errorf("a whisper has a position: %+v", f)
	}
	alice.say("leave", room)
	bob.want("presence", `"leave"`)
}

// messages: what is published at one hub has the same position at both, and a client
// goes on at the other.
func (u *upgrade) messages(from, to, topic string) {
	u.Helper()
	news := public(topic)
	alice := u.connect(from, "alice", token("alice")).welcomed()
	alice.subscribe(news)
	first := publish(u.T, u.hubs[from], topic, "first", `{"n":1}`)
	if again := publish(u.T, u.hubs[to], topic, "first", `{"n":1}`); again != first {
		u.Errorf("the same message is at %v and at %v", first, again)
	}
	f := alice.want("", `{"n":1}`)
	if (position{f.Epoch, f.Offset}) != first {
		u.Errorf("%+v was published as %v", f, first)
	}
	alice.conn.Close()
	publish(u.T, u.hubs[from], topic, "second", `{"n":2}`)
	moved := u.connect(to, "alice", token("alice")).welcomed()
	moved.subscribe(news, "history", map[string]any{"streams": alice.place})
	moved.want("", `{"n":2}`)
	moved.want("confirm_history", "")
	publish(u.T, u.hubs[from], topic, "third", `{"n":3}`)
	moved.want("", `{"n":3}`)
}

// signed: what one version has signed the other takes, once where it is good for once.
func (u *upgrade) signed(writer *node, from, to, topic string) {
	u.Helper()
	publish(u.T, u.hubs[from], topic, "on the page", `{"n":0}`)
	name, position, _ := strings.Cut(writer.do("sign", topic, "alice"), " ")
	publish(u.T, u.hubs[from], topic, "behind the page", `{"n":1}`)
	page := fmt.Sprintf(`{"channel":"$pubsub","signed_stream_name":%q,"position":%q}`, name, position)
	alice := u.connect(to, "alice", token("alice")).welcomed()
	alice.subscribe(page)
	alice.want("", `{"n":1}`)
	again := u.connect(from, "alice", token("alice")).welcomed()
	again.subscribe(page)
	again.want("reject_history", "")
	bob := u.connect(to, "bob", token("bob")).welcomed()
	bob.say("subscribe", page) // it is alice's
	bob.want("reject_subscription", "")

	ticket := writer.do("ticket", "alice")
	u.connect(to, "alice", ticket).welcomed()
	u.connect(from, "alice", ticket).refused("token_expired")
}

// revoke: who is revoked by one version is sent away and kept out by both.
func (u *upgrade) revoke(writer *node, from, to, id string) {
	u.Helper()
	revoked := token(id)
	there, here := u.connect(to, id, revoked).welcomed(), u.connect(from, id, revoked).welcomed()
	if answer := writer.do("revoke", id); answer != "ok" {
		u.Fatal(answer)
	}
	there.refused("remote")
	here.refused("remote")
	u.revoked = append(u.revoked, revoked)
	u.keepsOut(from, to)
}

// keepsOut tries all that was ever revoked.
func (u *upgrade) keepsOut(hubs ...string) {
	u.Helper()
	for _, name := range hubs {
		for _, revoked := range u.revoked {
			u.connect(name, "somebody who was revoked", revoked).refused("unauthorized")
		}
	}
}

// Two hubs on one NATS, behind haproxy, become another version one after the other
// under load, and one of them goes back: nobody loses, doubles or reorders a message,
// and at each step each does what the other has to know of.
func TestUpgrade(t *testing.T) {
	older, newer := versions(t)
	u := startUpgrade(t, older, older)
	p := startProxy(t, "haproxy", []string{u.hubs["a"].address(), u.hubs["b"].address()},
		"balance leastconn", "balance leastconn\n\thttp-response set-header X-Served-By %s")
	l := startLoad(t, 60, 6, "ws://"+p.host(), p.url(), func(f *follower) {
		f.url += "?jid=" + token(fmt.Sprint("follower-", f.id))
		f.window = time.Second
	})
	l.settle()
	u.across("a", "b", newer)
	for _, step := range []struct {
		name, other string
		v           version
	}{
		{"b", "a", newer},
		{"a", "b", newer},
		{"b", "a", older}, // a rollback
	} {
		u.becomes(step.name, step.other, step.v)
		u.keepsOut(step.name)
		l.settle()
		p.takes(step.name)
		u.across("a", "b", newer)
		u.across("b", "a", newer)
	}
	l.finish()
}

// The streams of a log that the new version has made serve the old one.
func TestUpgradeOfNewStreams(t *testing.T) {
	older, newer := versions(t)
	u := startUpgrade(t, newer, older)
	u.across("a", "b", newer)
	u.across("b", "a", newer)
}

// A file goes on, whoever has written it: the new version reads and writes what the old
// one has left, and the old one what the new one has; once one of them is killed, in the
// middle of the load.
func TestUpgradeFile(t *testing.T) {
	older, newer := versions(t)
	h := startHubOf(t, older.lazyws, filepath.Join(t.TempDir(), "upgrade.db"), append(upgradeFlags, "-drain", "0")...)
	l := startLoad(t, 20, 4, "ws://"+h.address(), h.url(), func(f *follower) {
		f.url += "?jid=" + token(fmt.Sprint("follower-", f.id))
		f.window = time.Second
	})
	first := connect(t, h, "the first reader", token("reader")).welcomed()
	first.subscribe(public("file"))
	first.conn.Close()
	published := 0
	for _, step := range []struct {
		end syscall.Signal // of the version before
		v   version
	}{
		{syscall.SIGTERM, newer}, {syscall.SIGTERM, older}, {syscall.SIGKILL, newer},
	} {
		before := l.publishers[0].sent.Load()
		eventually(t, "messages flow", func() bool { return l.publishers[0].sent.Load() > before+3 })
		var at position
		var key, text string
		for range 3 { // that are indexed together
			published++
			key, text = fmt.Sprint("key-", published), fmt.Sprintf(`{"n":%d}`, published)
			at = publish(t, h, "file", key, text)
		}
		_ = h.stop(step.end)
		h.program = step.v.lazyws
		h.start()
		if again := publish(t, h, "file", key, text); again != at {
			t.Errorf("the same message is at %v and, for the %s version, at %v", at, step.v.name, again)
		}
		reader := connect(t, h, "a reader of all", token("reader")).welcomed()
		reader.subscribe(public("file"), "history", map[string]any{"streams": first.place})
		for n := range published {
			reader.want("", fmt.Sprintf(`{"n":%d}`, n+1))
		}
		reader.want("confirm_history", "")
		reader.conn.Close()
		l.settle()
	}
	l.finish()
}
