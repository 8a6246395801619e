package proxies_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// publisher publishes to one topic, through a proxy or not. What it has to publish it
// publishes until it is acknowledged.
type publisher struct {
	url, topic string
	client     *http.Client

	sent    atomic.Int64   // messages that were acknowledged
	answers map[string]int // the requests that were not, by what they were answered
	slowest time.Duration  // until the acknowledgement, tries included
}

// run publishes at a rate until ctx is done.
func (p *publisher) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		p.publish()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// publish publishes the next message: the same request, with the same key, until it
// is acknowledged.
func (p *publisher) publish() {
	began := time.Now()
	n := int(p.sent.Load()) + 1
	data, _ := json.Marshal(content{n, began.UnixNano()})
	body, _ := json.Marshal(map[string]string{"stream": p.topic, "data": string(data)})
	for !p.try(string(body), fmt.Sprintf("%s-%d", p.topic, n)) {
		<-time.After(100 * time.Millisecond)
	}
	p.sent.Add(1)
	p.slowest = max(p.slowest, time.Since(began))
}

// try sends a request, and reports whether it was acknowledged.
func (p *publisher) try(body, key string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(body))
	if err != nil {
		panic(err) // the URL is ours
	}
	request.Header.Set("Authorization", "Bearer "+publishKey)
	request.Header.Set("Idempotency-Key", key)
	response, err := p.client.Do(request)
	if err != nil {
		p.answers["no answer"]++
		return false
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		p.answers[response.Status]++
		return false
	}
	return true
}
