package local

import (
	"bytes"
	"context"

	"golazy.dev/lazyrealtime"
)

// Enter calls the feeds before it returns, if anything has changed. Info is copied.
func (n *node) Enter(ctx context.Context, name, id string, info []byte) error {
	info = bytes.Clone(info)
	return n.presence(ctx, name, func(t *topic) (e lazyrealtime.PresenceEvent, changed bool) {
		e = n.event(name, id, info)
		return e, t.enter(member{n, id}, info)
	})
}

// Exit calls the feeds before it returns, if anything has changed.
func (n *node) Exit(ctx context.Context, name, id string) error {
	return n.presence(ctx, name, func(t *topic) (e lazyrealtime.PresenceEvent, changed bool) {
		info, was := t.exit(member{n, id})
		e = n.event(name, id, info)
		e.Left = true
		return e, was
	})
}

// presence makes a change and tells the followers, both in the topic's order, so
// that what they hear last is what is.
func (n *node) presence(ctx context.Context, name string, change func(*topic) (lazyrealtime.PresenceEvent, bool)) error {
	n.said.RLock()
	defer n.said.RUnlock()
	if err := n.open(ctx); err != nil {
		return err
	}
	t := n.local.make(name)
	defer n.local.release(t)
	t.order.Lock()
	defer t.order.Unlock()
	if e, changed := change(t); changed {
		t.tellInOrder(func(f lazyrealtime.Feed) { f.Presence(e) })
	}
	return nil
}

func (n *node) event(name, id string, info []byte) lazyrealtime.PresenceEvent {
	return lazyrealtime.PresenceEvent{
		Topic:  name,
		Member: lazyrealtime.Member{Node: n.id, ID: id, Info: info},
	}
}

// Members waits for no feed. The members are in no order.
func (n *node) Members(ctx context.Context, name string) ([]lazyrealtime.Member, error) {
	if err := n.open(ctx); err != nil {
		return nil, err
	}
	t := n.local.use(name)
	if t == nil {
		return nil, nil
	}
	defer n.local.release(t)
	t.present.Lock()
	defer t.present.Unlock()
	list := make([]lazyrealtime.Member, 0, len(t.members))
	for m, info := range t.members {
		list = append(list, lazyrealtime.Member{Node: m.node.id, ID: m.id, Info: info})
	}
	return list, nil
}

// enter notes a member and reports whether that is news.
func (t *topic) enter(m member, info []byte) bool {
	t.present.Lock()
	defer t.present.Unlock()
	old, was := t.members[m]
	if was && bytes.Equal(old, info) {
		return false
	}
	if t.members == nil {
		t.members = make(map[member][]byte)
	}
	t.members[m] = info
	return true
}

// exit takes a member away and reports whether it was there.
func (t *topic) exit(m member) (info []byte, was bool) {
	t.present.Lock()
	defer t.present.Unlock()
	info, was = t.members[m]
	delete(t.members, m)
	return info, was
}

// dismiss takes a node's members away.
func (t *topic) dismiss(n *node) {
	t.present.Lock()
	defer t.present.Unlock()
	for m := range t.members {
		if m.node == n {
			delete(t.members, m)
		}
	}
}

// peopled reports whether anybody is present.
func (t *topic) peopled() bool {
	t.present.Lock()
	defer t.present.Unlock()
	return len(t.members) > 0
}
