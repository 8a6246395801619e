package proxies_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

var (
	clients = flag.Int("clients", 200, "followers during the rolling restart")
	topics  = flag.Int("topics", 10, "topics that they follow, one each")
	every   = flag.Duration("every", 200*time.Millisecond, "time between two messages of a topic")
	drain   = flag.Duration("drain", 5*time.Second, "-drain of the hubs")
	record  = flag.String("record", "", "file for what was recorded, for ./plot")
)

// recording is what the rolling restart leaves for ./plot.
type recording struct {
	Clients  int         `json:"clients"`
	Drain    float64     `json:"drain"`  // seconds
	Window   float64     `json:"window"` // likewise, of the clients
	Restarts [][]float64 `json:"restarts"`
	Events   []event     `json:"events"`
}

// startNATS starts a server with JetStream, and returns its URL.
func startNATS(t testing.TB) string {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	return s.ClientURL()
}

// load is followers and publishers behind a proxy.
type load struct {
	t          *testing.T
	journal    *journal
	followers  []*follower
	publishers []*publisher
	stop       context.CancelFunc // the publishing
	published  sync.WaitGroup
	leave      context.CancelFunc // the followers
	left       sync.WaitGroup
}

// startLoad connects the followers, and begins to publish once all have subscribed.
// Followers come and messages go through their own proxies, which may be the same.
func startLoad(t *testing.T, followers, topics int, follow, publish string, options ...func(*follower)) *load {
	t.Helper()
	l := &load{t: t, journal: &journal{began: time.Now()}}
	following, leave := context.WithCancel(context.Background())
	publishing, stop := context.WithCancel(context.Background())
	l.leave, l.stop = leave, stop
	t.Cleanup(func() {
		stop()
		leave()
		l.published.Wait()
		l.left.Wait()
	})
	for i := range followers {
		f := &follower{id: i, url: follow + "/cable", topic: fmt.Sprintf("topic-%d", i%topics), journal: l.journal}
		for _, option := range options {
			option(f)
		}
		l.followers = append(l.followers, f)
		l.left.Go(func() { f.run(following) })
	}
	for _, f := range l.followers {
		eventually(t, "subscribed", f.ready)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: topics}}
	for i := range topics {
		p := &publisher{url: publish + "/_broadcast", topic: fmt.Sprintf("topic-%d", i), client: client, answers: make(map[string]int)}
		l.publishers = append(l.publishers, p)
		l.published.Go(func() { p.run(publishing, *every) })
	}
	return l
}

// finish stops the publishing, waits until everybody has everything, and says what
// went wrong.
func (l *load) finish() {
	l.t.Helper()
	l.stop()
	l.published.Wait()
	for _, f := range l.followers {
		p := l.publishers[f.id%len(l.publishers)]
		last := int(p.sent.Load())
		eventually(l.t, fmt.Sprintf("client %d has message %d", f.id, last), func() bool { return f.has(last) })
	}
	l.leave()
	l.left.Wait()
	l.judge()
}

func (l *load) judge() {
	l.t.Helper()
	var delays []time.Duration
	lost, doubled, reordered, gaps := 0, 0, 0, 0
	for _, f := range l.followers {
		lost += f.lost(int(l.publishers[f.id%len(l.publishers)].sent.Load()))
		doubled += f.doubled
		reordered += f.reordered
		gaps += f.gaps
		delays = append(delays, f.delays...)
		for _, fault := range f.faults {
			l.t.Errorf("client %d: %s", f.id, fault)
		}
	}
	sent, slowest, answers := 0, time.Duration(0), make(map[string]int)
	for _, p := range l.publishers {
		sent += int(p.sent.Load())
		slowest = max(slowest, p.slowest)
		for answer, n := range p.answers {
			answers[answer] += n
		}
	}
	slices.Sort(delays)
	at := func(q float64) time.Duration {
		return delays[int(q*float64(len(delays)-1))].Round(time.Microsecond * 100)
	}
	l.t.Logf("%d messages published, the slowest in %v; not acknowledged at first: %v", sent, slowest.Round(time.Millisecond), answers)
	l.t.Logf("%d messages delivered: %d lost, %d doubled, %d reordered, %d gaps told", len(delays), lost, doubled, reordered, gaps)
	l.t.Logf("from publishing to delivery: half within %v, 90%% %v, 99%% %v, all %v", at(0.5), at(0.9), at(0.99), at(1))
	if lost+doubled+reordered+gaps > 0 || len(delays) == 0 {
		l.t.Error("that is wrong")
	}
}

// Two hubs on one NATS, behind haproxy, are restarted one after the other under load:
// nobody loses, doubles or reorders a message, and the clients come back spread.
func TestRollingRestart(t *testing.T) {
	nats := startNATS(t)
	hubs := make(map[string]*hub)
	for _, name := range []string{"a", "b"} {
		hubs[name] = startHub(t, nats, "-drain", drain.String())
	}
	p := startProxy(t, "haproxy", []string{hubs["a"].address(), hubs["b"].address()},
		"balance leastconn", "balance leastconn\n\thttp-response set-header X-Served-By %s")
	l := startLoad(t, *clients, *topics, "ws://"+p.host(), p.url())
	l.settle()
	eventually(t, "messages flow", func() bool { return l.publishers[0].sent.Load() > 6 })
	var restarts [][]float64
	for _, name := range []string{"a", "b"} {
		before := l.served()
		began := time.Since(l.journal.began)
		if code := hubs[name].stop(syscall.SIGTERM); code != 0 {
			t.Errorf("%s ended with %d", name, code)
		}
		ended := time.Since(l.journal.began)
		hubs[name].start()
		up := time.Since(l.journal.began)
		l.settle()
		p.takes(name)
		restarts = append(restarts, []float64{began.Seconds(), ended.Seconds(), up.Seconds()})
		t.Logf("%s: SIGTERM, end after %v, ready again after %v more", name, (ended - began).Round(time.Millisecond), (up - ended).Round(time.Millisecond))
		l.wantSpread(before[name], began)
	}
	l.finish()
	l.save(restarts)
}

// settle waits until all clients are connected.
func (l *load) settle() {
	l.t.Helper()
	eventually(l.t, "everybody is back", func() bool {
		n := 0
		for server, clients := range l.served() {
			if server != gone {
				n += clients
			}
		}
		return n == len(l.followers)
	})
}

// gone is where those are who have lost their connection.
const gone = "gone"

// served counts the clients by where they are.
func (l *load) served() map[string]int {
	where := make(map[int]string)
	for _, e := range l.journal.events() {
		switch e.What {
		case "back":
			where[e.Client] = e.Server
		case "lost":
			where[e.Client] = gone
		}
	}
	counts := make(map[string]int)
	for _, server := range where {
		counts[server]++
	}
	return counts
}

// takes waits until haproxy gives a server new connections again.
func (p *proxy) takes(name string) {
	p.t.Helper()
	eventually(p.t, "haproxy takes "+name, func() bool {
		response, err := http.Get(p.url() + "/readyz") // the one with the fewest connections
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.Header.Get("X-Served-By") == name
	})
}

// wantSpread says how the clients of a hub came back that was told to end at began,
// and fails if they did not come spread. They are sent away over the drain, and each
// comes back at a random moment of its window.
func (l *load) wantSpread(clients int, began time.Duration) {
	l.t.Helper()
	var told, back []float64
	refused := 0
	for _, e := range l.journal.events() {
		if e.Seconds < began.Seconds() {
			continue
		}
		switch e.What {
		case "told":
			told = append(told, e.Seconds-began.Seconds())
		case "back":
			back = append(back, e.Seconds-began.Seconds())
		case "refused", "failed":
			refused++
		}
	}
	if len(told) != clients || len(back) != clients {
		l.t.Fatalf("%d clients: %d were told, %d are back", clients, len(told), len(back))
	}
	slices.Sort(told)
	slices.Sort(back)
	busiest := busiestSecond(back)
	l.t.Logf("%d clients told from %.2f to %.2f s, back from %.2f to %.2f s, half by %.2f s; %d at most in one second; %d handshakes refused",
		clients, told[0], told[clients-1], back[0], back[clients-1], back[clients/2], busiest, refused)
	if spread := told[clients-1] - told[0]; spread < drain.Seconds()*0.8 || spread > drain.Seconds()*1.3 {
		l.t.Errorf("they were told over %.2f s", spread)
	}
	// Evenly over 5 s, and each later by 0 to 5 s: a fifth per second at the peak.
	if busiest > clients*2/5 {
		l.t.Errorf("%d of %d came back within one second", busiest, clients)
	}
}

// busiestSecond counts the most of the sorted times that lie within a second.
func busiestSecond(times []float64) (most int) {
	for i, first := 0, 0; i < len(times); i++ {
		for times[i]-times[first] > 1 {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// save writes the recording, if somebody wants it.
func (l *load) save(restarts [][]float64) {
	l.t.Helper()
	if *record == "" {
		return
	}
	text, err := json.Marshal(recording{len(l.followers), drain.Seconds(), restartWindow.Seconds(), restarts, l.journal.events()})
	if err == nil {
		err = os.WriteFile(*record, text, 0o600)
	}
	if err != nil {
		l.t.Error(err)
	}
}
