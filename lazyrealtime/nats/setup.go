package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What is noted in the metadata of streams.
const (
	metaEpoch      = "lazyrealtime-epoch"      // of a partition
	metaLeast      = "lazyrealtime-least"      // the smallest number of messages per topic that the partition ever kept
	metaPartitions = "lazyrealtime-partitions" // of the log, at the control stream
	metaWindow     = "lazyrealtime-window"
	metaFormat     = "lazyrealtime-format" // of any stream; without it, the first
)

// knownFormat is the format of what is in the streams and on the subjects. What older
// nodes can ignore is no new format; what they must not ignore is one, and is written
// only once they are gone.
const knownFormat = 1

// checkFormat refuses a stream that this version does not understand.
func checkFormat(c jetstream.StreamConfig) error {
	text := c.Metadata[metaFormat]
	if n, err := strconv.Atoi(text); text == "" || err == nil && n <= knownFormat {
		return nil
	}
	return permanentError{&FormatError{Stream: c.Name, Format: text, Known: knownFormat}}
}

// Versions of the server that have what is used here.
const (
	needMinor  = 11 // 2.11: time to live per message
	batchMinor = 12 // 2.12: batches that are stored whole or not at all
)

// setUp makes the streams that are missing.
func (l *Log) setUp(ctx context.Context) error {
	if err := l.enabled(ctx); err != nil {
		return err
	}
	if l.o.Replicas == 0 {
		l.replicas = 1
		if l.pub.nc.ConnectedClusterName() != "" {
			l.replicas = clusterReplicas
		}
	} else {
		l.replicas = l.o.Replicas
	}
	control, err := l.ensure(ctx, l.controlConfig())
	if err != nil {
		return err
	}
	if err := l.settled(control.Config.Metadata); err != nil {
		return err
	}
	if _, err := l.ensure(ctx, l.presenceConfig()); err != nil {
		return err
	}
	return l.setUpPartitions(ctx)
}

// enabled checks that there is a JetStream, and that it is new enough.
func (l *Log) enabled(ctx context.Context) error {
	var major, minor int
	if _, err := fmt.Sscanf(l.pub.nc.ConnectedServerVersion(), "%d.%d", &major, &minor); err == nil {
		if major < 2 || major == 2 && minor < needMinor {
			return fmt.Errorf("%w: server %s is older than 2.%d", ErrJetStream, l.pub.nc.ConnectedServerVersion(), needMinor)
		}
		l.batches = major > 2 || minor >= batchMinor
	}
	tries := 0
	return l.retry(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, attemptWait)
		defer cancel()
		_, err := l.js.AccountInfo(ctx)
		// A cluster that has just begun has nobody who answers, as one without
		// JetStream; only that does not pass.
		if tries++; errors.Is(err, jetstream.ErrJetStreamNotEnabled) && tries < 8 {
			return errNobody
		}
		return setUpError(err)
	})
}

// setUpError tells apart what trying again helps against.
func setUpError(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return permanentError{fmt.Errorf("%w: %w", ErrJetStream, err)}
	case !errors.As(err, &api):
		return unavailable(err)
	}
	if api.ErrorCode == codeNoCluster || api.ErrorCode == codeNoPeers {
		return permanentError{fmt.Errorf("%w: %w", ErrReplicas, err)}
	}
	return &APIError{Code: api.Code, ErrorCode: int(api.ErrorCode), Description: api.Description}
}

// ensure makes a stream, or returns the one that is there, in step with the options as
// far as it may be.
func (l *Log) ensure(ctx context.Context, want jetstream.StreamConfig) (info *jetstream.StreamInfo, err error) {
	err = l.retry(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, createWait)
		defer cancel()
		s, err := l.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			s, err = l.js.CreateStream(ctx, want)
		}
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // somebody was faster
			if s, err = l.js.Stream(ctx, want.Name); errors.Is(err, jetstream.ErrStreamNotFound) {
				return errNobody // and is not done yet
			}
		}
		if err != nil {
			return setUpError(err)
		}
		info = s.CachedInfo()
		if err := checkFormat(info.Config); err != nil {
			return err
		}
		info, err = l.adjust(ctx, info, want)
		return setUpError(err)
	})
	if err != nil {
		return nil, fmt.Errorf("lazyrealtime/nats: stream %s: %w", want.Name, err)
	}
	return info, nil
}

// createWait is how long one attempt at making a stream may take: three servers have to
// elect its leader. Servers that are asked about one that another process is making at
// the moment may not answer at all, so that it is asked again before long.
const createWait = 3 * time.Second

// adjust lets a stream keep more, and changes the number of replicas if one was asked
// for. It never lets a stream keep less: another process may have asked for it.
func (l *Log) adjust(ctx context.Context, info *jetstream.StreamInfo, want jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	have := info.Config
	change := false
	if l.o.Replicas != 0 && have.Replicas != want.Replicas {
		have.Replicas, change = want.Replicas, true
	}
	if want.MaxAge > have.MaxAge {
		have.MaxAge, change = want.MaxAge, true
	}
	if want.MaxMsgsPerSubject > have.MaxMsgsPerSubject {
		have.MaxMsgsPerSubject, change = want.MaxMsgsPerSubject, true
	}
	if !change {
		return info, nil
	}
	s, err := l.js.UpdateStream(ctx, have)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// settled takes over what was decided when the log was made.
func (l *Log) settled(meta map[string]string) error {
	n, err := strconv.Atoi(meta[metaPartitions])
	if err != nil || n < 1 || n > maxPartitions {
		return fmt.Errorf("lazyrealtime/nats: stream %s was not made by this package", l.names.controlStream())
	}
	window, err := time.ParseDuration(meta[metaWindow])
	if err != nil {
		return fmt.Errorf("lazyrealtime/nats: stream %s: %w", l.names.controlStream(), err)
	}
	l.o.Partitions, l.o.Window = n, window
	return nil
}

// setUpWorkers is how many streams are made at a time.
const setUpWorkers = 8

func (l *Log) setUpPartitions(ctx context.Context) error {
	l.parts = make([]*partition, l.o.Partitions)
	errs := make([]error, l.o.Partitions)
	var wg sync.WaitGroup
	workers := make(chan struct{}, setUpWorkers)
	for i := range l.parts {
		l.parts[i] = &partition{index: i, stream: l.names.logStream(i)}
		workers <- struct{}{}
		wg.Go(func() {
			errs[i] = l.parts[i].find(ctx, l)
			<-workers
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// logConfig is the stream of a partition whose topics have had no message yet.
func (l *Log) logConfig(p *partition, epoch string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        p.stream,
		Description: "messages of golazy.dev/lazyrealtime",
		Subjects:    []string{l.names.message(epoch, "*")},
		Storage:     jetstream.FileStorage,
		Replicas:    l.replicas,
		Discard:     jetstream.DiscardOld,
		// Older ones than readers are given are kept for a while: see sure.
		MaxAge:             max(l.o.Retain.Age+margin(l.o.Retain.Age), l.o.Window),
		MaxMsgsPerSubject:  int64(l.o.Retain.Messages),
		Duplicates:         l.o.Window,
		AllowDirect:        true,
		AllowAtomicPublish: l.batches,
		// A topic's messages go oldest first and never from the middle, so that a
		// message which is there says that all behind it are.
		DenyDelete: true,
		DenyPurge:  true,
		RePublish: &jetstream.RePublish{
			Source:      l.names.message(epoch, "*"),
			Destination: strings.Replace(l.names.live("{{wildcard(1)}}"), "*", "m", 1),
		},
		Metadata: map[string]string{metaEpoch: epoch, metaLeast: strconv.Itoa(l.o.Retain.Messages)},
	}
}

// controlConfig is the stream of the control log and of claims.
func (l *Log) controlConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        l.names.controlStream(),
		Description: "control log and claims of golazy.dev/lazyrealtime",
		Subjects:    []string{l.names.record(), l.names.claim("*")[:len(l.names)+len(".c.q.")] + "*"},
		Storage:     jetstream.FileStorage,
		Replicas:    l.replicas,
		Duplicates:  l.o.Window,
		AllowDirect: true,
		AllowMsgTTL: true,
		RePublish:   &jetstream.RePublish{Source: l.names.record(), Destination: l.names.changed(), HeadersOnly: true},
		Metadata: map[string]string{
			metaPartitions: strconv.Itoa(l.o.Partitions),
			metaWindow:     l.o.Window.String(),
		},
	}
}

// presenceConfig is the stream of leases and members. It is on disk so that a single
// server can start again without all leases being lost.
func (l *Log) presenceConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              l.names.presenceStream(),
		Description:       "leases and members of golazy.dev/lazyrealtime",
		Subjects:          []string{l.names.lease("*"), l.names.member("*", "*", "*")},
		Storage:           jetstream.FileStorage,
		Replicas:          l.replicas,
		MaxMsgsPerSubject: 1,
		Duplicates:        minWindow,
		AllowDirect:       true,
		AllowMsgTTL:       true,
	}
}

// margin is for how much longer than readers need it a message is kept.
func margin(age time.Duration) time.Duration {
	return min(max(age/8, 2*time.Second), 10*time.Minute)
}
