package load

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"golazy.dev/lazywebsocket"
)

// client is a connection that follows topics, and checks that each topic's messages
// come once and in order.
type client struct {
	conn *lazywebsocket.Conn
	next map[string]int64 // number of the next message, by topic

	confirmed int
	received  int
	latency   *latencies // nil: not measured
}

// dial connects.
func dial(p *Process, protocol string) (*client, error) {
	d := lazywebsocket.Dialer{}
	if protocol == "cable" {
		d.Subprotocols = []string{"actioncable-v1-ext-json"}
	}
	conn, _, err := d.DialContext(context.Background(), "ws://"+p.addr+"/connection", nil)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, next: make(map[string]int64)}
	if protocol == "centrifuge" {
		if err := c.write(`{"id":1,"connect":{}}`); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// subscribe follows topics, from a position or from now on, and waits for the
// confirmations.
func (c *client) subscribe(protocol string, topics []string, replay bool) error {
	for i, topic := range topics {
		var err error
		switch {
		case protocol == "centrifuge" && replay:
			err = c.write(fmt.Sprintf(`{"id":%d,"subscribe":{"channel":%q,"recover":true,"offset":0,"epoch":""}}`, i+2, topic))
		case protocol == "centrifuge":
			err = c.write(fmt.Sprintf(`{"id":%d,"subscribe":{"channel":%q}}`, i+2, topic))
		default:
			identifier := strconv.Quote(`{"channel":"$pubsub","stream_name":"` + topic + `"}`)
			history := ""
			if replay {
				history = `,"history":{"streams":{"` + topic + `":{"epoch":"","offset":0}}}`
			}
			err = c.write(`{"command":"subscribe","identifier":` + identifier + history + `}`)
		}
		if err != nil {
			return err
		}
	}
	for c.confirmed < len(topics) {
		if err := c.read(); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) write(frame string) error {
	return c.conn.WriteMessage(lazywebsocket.TextMessage, []byte(frame))
}

// wait reads until so many messages have come.
func (c *client) wait(messages int) error {
	for c.received < messages {
		if err := c.read(); err != nil {
			return err
		}
	}
	return nil
}

var (
	ping         = []byte(`{}`)
	confirmed    = []byte(`"confirm_subscription"`)
	subscribed   = []byte(`"subscribe":{`)
	stamp        = []byte(`{"at":`)
	numberBefore = []byte(`,"n":`)
	topicBefore  = [][]byte{[]byte(`stream_name\":\"`), []byte(`"channel":"`)}
)

// read reads a frame, of which centrifuge's may hold several replies.
func (c *client) read() error {
	if err := c.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	_, data, err := c.conn.ReadMessage()
	if err != nil {
		return err
	}
	now := time.Now().UnixNano()
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		switch {
		case bytes.Equal(line, ping):
			if err := c.write(`{}`); err != nil { // centrifuge's pong
				return err
			}
			continue
		case bytes.Contains(line, confirmed), bytes.Contains(line, subscribed):
			c.confirmed++
		case bytes.Contains(line, []byte("reject")), bytes.Contains(line, []byte(`"error"`)):
			return fmt.Errorf("refused: %s", line)
		}
		if err := c.messages(line, now); err != nil {
			return err
		}
	}
	return nil
}

// messages counts the messages in a reply: centrifuge's recovery brings many.
func (c *client) messages(line []byte, now int64) error {
	topic := ""
	for _, before := range topicBefore {
		if i := bytes.Index(line, before); i >= 0 {
			rest := line[i+len(before):]
			topic = string(rest[:bytes.IndexAny(rest, `"\`)])
			break
		}
	}
	for {
		i := bytes.Index(line, stamp)
		if i < 0 {
			return nil
		}
		line = line[i+len(stamp):]
		at, rest := digits(line)
		number, isNext := bytes.CutPrefix(rest, numberBefore)
		if !isNext {
			return fmt.Errorf("not a message: %s", line)
		}
		n, _ := digits(number)
		if want, ok := c.next[topic]; ok && n != want {
			return fmt.Errorf("topic %q: message %d, want %d", topic, n, want)
		}
		c.next[topic] = n + 1
		c.received++
		if c.latency != nil {
			c.latency.add(time.Duration(now - at))
		}
	}
}

// digits reads the number that b begins with. It is here and not in fmt because the load
// has one core, and latencies are to tell of the server.
func digits(b []byte) (n int64, rest []byte) {
	for len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		n, b = n*10+int64(b[0]-'0'), b[1:]
	}
	return n, b
}
