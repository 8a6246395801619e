package lazyrealtime_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golazy.dev/lazyrealtime"
	"golazy.dev/lazyrealtime/enginetest"
)

// refusing is a hub that nobody can connect to without a ticket.
var refusing = lazyrealtime.Config{
	Public: true, Authorize: allow,
	Authenticate: func(*http.Request) (lazyrealtime.Identity, error) {
		return lazyrealtime.Identity{}, errors.New("without a ticket")
	},
}

func (w *world) ticket(id lazyrealtime.Identity) string {
	w.t.Helper()
	ticket, err := w.hub.Ticket(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return ticket
}

// A ticket is the identity, with its end and its info, once.
func TestTicket(t *testing.T) {
	protocols(t, refusing, func(w *world, protocol string) {
		w.dial("/cable", protocol).wantClose(unauthorized, 1008)
		ticket := w.ticket(lazyrealtime.Identity{ID: "a", Expires: time.Now().Add(10 * time.Second), Info: []byte(`{"name":"A"}`)})
		c := w.dial("/cable?jid="+ticket, protocol)
		c.want(welcome)
		c.subscribe(roomID)
		if protocol == extended {
			c.send(command("join", roomID, `,"presence":{"id":"somebody else","info":"of the client"}`))
			c.want(presenceOf(roomID, `"type":"join","id":"a","info":{"name":"A"}`))
		}
		w.dial("/cable?jid="+ticket, protocol).wantClose(tokenExpired, 1008)
		if status, _ := w.answered("GET", "/stream?stream=room&jid="+ticket, ""); status != http.StatusUnauthorized {
			w.t.Errorf("a used ticket at an event stream: %d", status)
		}
		c.wantClose(tokenExpired, 1008) // its own end
	})
}

// A ticket comes in all the ways of tokens.
func TestTicketIsAToken(t *testing.T) {
	within(t, refusing, func(w *world) {
		for _, way := range []string{"X-Jid: TICKET", "Authorization: Bearer TICKET"} {
			p := w.net.Peer()
			p.Request("/cable", "Sec-WebSocket-Protocol: "+base, strings.Replace(way, "TICKET", w.ticket(lazyrealtime.Identity{ID: "a"}), 1))
			p.Response()
			p.WantText(welcome)
		}
		for n := range 6 { // of any length: what a browser takes for a subprotocol has no padding
			ticket := w.ticket(lazyrealtime.Identity{ID: strings.Repeat("a", n+1)})
			if strings.Trim(ticket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
				w.t.Errorf("%s is no token (RFC 9110, 5.6.2)", ticket)
			}
			w.dial("/cable", base, "anycable-token."+ticket).want(welcome)
		}
		resp := w.request("GET", "/stream?stream=room&jid="+w.ticket(lazyrealtime.Identity{ID: "a"}), "")
		if resp.StatusCode != http.StatusOK {
			w.t.Errorf("an event stream with a ticket: %s", resp.Status)
		}
	})
}

// Of those who use a ticket at the same time, on two hubs, one gets in.
func TestTicketOnTwoHubs(t *testing.T) {
	within(t, refusing, func(w *world) {
		second := open(w.t, refusing, w.log)
		defer second.close()
		for range 5 {
			ticket := w.ticket(lazyrealtime.Identity{ID: "a"})
			var in atomic.Int32
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					c := []*world{w, second}[i%2].dial("/cable?jid="+ticket, base)
					if frame, _ := c.read(); frame == welcome {
						in.Add(1)
					} else if frame != tokenExpired {
						w.t.Errorf("got %s", frame)
					}
				})
			}
			all.Wait()
			if in.Load() != 1 {
				w.t.Fatalf("%d got in", in.Load())
			}
		}
	})
}

func TestTicketLife(t *testing.T) {
	within(t, refusing, func(w *world) {
		a := lazyrealtime.Identity{ID: "a"}
		ticket, late := w.ticket(a), w.ticket(a)
		time.Sleep(29 * time.Second)
		w.dial("/cable?jid="+ticket, base).want(welcome)
		time.Sleep(time.Second)
		w.dial("/cable?jid="+late, base).wantClose(tokenExpired, 1008)
		for range 10 { // however long a claim is remembered
			time.Sleep(30 * time.Second)
			w.dial("/cable?jid="+ticket, base).wantClose(tokenExpired, 1008)
		}
	})
}

func TestTicketForged(t *testing.T) {
	config := refusing
	config.Authorize = nil
	within(t, config, func(w *world) {
		ticket := w.ticket(lazyrealtime.Identity{ID: "a"})
		name, position := w.name("a", "room")
		wrong := []string{"ticket.", "ticket." + name, "ticket." + position, "ticket.a--b", strings.ToUpper(ticket), ticket + "0"}
		for i := len("ticket."); i < len(ticket); i += 7 {
			b := []byte(ticket)
			b[i] ^= 1
			wrong = append(wrong, string(b))
		}
		for _, token := range wrong {
			p := w.net.Peer()
			p.Request("/cable", "Sec-WebSocket-Protocol: "+base, "X-Jid: "+token)
			p.Response()
			p.WantText(unauthorized)
		}
		w.dial("/cable?jid="+ticket, base).want(welcome) // none of them has used it up
	})
}

// A ticket is as void as the credential that it was given for.
func TestTicketOfARevokedIdentity(t *testing.T) {
	within(t, refusing, func(w *world) {
		a := lazyrealtime.Identity{ID: "a", Issued: time.Now()}
		ticket := w.ticket(a)
		if err := w.hub.Revoke(w.t.Context(), "a"); err != nil {
			w.t.Fatal(err)
		}
		w.dial("/cable?jid="+ticket, base).wantClose(unauthorized, 1008)
		if _, err := w.hub.Ticket(w.t.Context(), a); !errors.Is(err, lazyrealtime.ErrDenied) {
			w.t.Errorf("a revoked identity gets a ticket: %v", err)
		}
		expired := lazyrealtime.Identity{ID: "b", Expires: time.Now()}
		if _, err := w.hub.Ticket(w.t.Context(), expired); !errors.Is(err, lazyrealtime.ErrTokenExpired) {
			w.t.Errorf("an expired identity gets a ticket: %v", err)
		}
		time.Sleep(time.Nanosecond)
		w.dial("/cable?jid="+w.ticket(lazyrealtime.Identity{ID: "a"}), base).want(welcome)
	})
}

// When the engine cannot say whether a ticket was used, nobody gets in, and the
// client may come back.
func TestTicketWithoutAnEngine(t *testing.T) {
	within(t, refusing, func(w *world) {
		ticket := w.ticket(lazyrealtime.Identity{ID: "a"})
		w.log.Fail(enginetest.OpClaim)
		w.dial("/cable?jid="+ticket, base).wantClose(restart, 1013)
		w.wantPutOff("/stream?stream=room&jid=" + ticket)
		w.log.Before(nil)
		w.dial("/cable?jid="+ticket, base).want(welcome)
	})
}
