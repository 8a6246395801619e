package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Durability is what an acknowledgement is worth.
type Durability struct {
	// Replicas is how many servers hold each partition. An acknowledged message is held
	// by more than half of them. It is the least of all partitions.
	Replicas int

	// Known reports whether the fields below were read from servers, as Options.Monitor
	// says.
	Known bool

	// SyncAlways reports whether all servers that were asked have a message on disk
	// before they acknowledge it.
	SyncAlways bool

	// SyncInterval is the longest time that a server which was asked leaves between two
	// fsyncs of a stream: what was acknowledged within it is lost if the power of more
	// than half of the replicas fails at the same time. It is 2 min unless the server is
	// told otherwise.
	SyncInterval time.Duration
}

// Durability asks the servers what an acknowledgement is worth.
func (l *Log) Durability(ctx context.Context) (Durability, error) {
	d := Durability{SyncAlways: true}
	for _, p := range l.parts {
		var info streamInfo
		err := l.retry(ctx, func(ctx context.Context) error {
			return call(ctx, l, l.get(), "$JS.API.STREAM.INFO."+p.stream, struct{}{}, &info)
		})
		if err != nil {
			return Durability{}, err
		}
		if d.Replicas == 0 || info.Config.Replicas < d.Replicas {
			d.Replicas = info.Config.Replicas
		}
	}
	for _, url := range l.o.Monitor {
		always, interval, err := monitored(ctx, url)
		if err != nil {
			return Durability{}, fmt.Errorf("lazyrealtime/nats: %s: %w", url, err)
		}
		d.Known = true
		d.SyncAlways = d.SyncAlways && always
		d.SyncInterval = max(d.SyncInterval, interval)
	}
	d.SyncAlways = d.SyncAlways && d.Known
	return d, nil
}

// monitored reads one server's settings.
func monitored(ctx context.Context, url string) (always bool, interval time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/jsz", http.NoBody)
	if err != nil {
		return false, 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	var info struct {
		Config *struct {
			SyncAlways   bool          `json:"sync_always"`
			SyncInterval time.Duration `json:"sync_interval"`
		} `json:"config"`
	}
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		return false, 0, err
	}
	if response.StatusCode != http.StatusOK || info.Config == nil {
		return false, 0, fmt.Errorf("status %s, without JetStream's settings", response.Status)
	}
	return info.Config.SyncAlways, info.Config.SyncInterval, nil
}
