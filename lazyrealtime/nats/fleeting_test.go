package nats_test

import (
	"fmt"
	"testing"
	"time"
)

// sent is a feed that notes what was sent.
type sent struct {
	silent
	topics chan string
}

func (s *sent) Fleeting(topic, _ string, _ []byte) { s.topics <- topic }

// What this process sends right behind Follow arrives, whichever servers its connections
// have: the one that it publishes to is neither the one that it hears from, nor the
// leader, in most cases.
func TestSentRightBehindFollow(t *testing.T) {
	url := startCluster(t)
	o := testOptions()
	for node := range 6 {
		s := &sent{topics: make(chan string, 1)}
		n := join(t, open(t, url, o), s)
		for i := range 100 {
			topic := fmt.Sprint(node, i)
			if err := n.Follow(t.Context(), topic); err != nil {
				t.Fatal(err)
			}
			if err := n.Send(t.Context(), topic, "", []byte("x")); err != nil {
				t.Fatal(err)
			}
			select {
			case <-s.topics:
			case <-time.After(patience):
				t.Fatalf("what was sent to topic %s has not come", topic)
			}
		}
	}
}
