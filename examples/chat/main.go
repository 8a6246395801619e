// The chat is the guide's application, grown into a real one: rooms, a history that survives restarts, who is here and who
// types, on lazyrealtime.
//
//	go run ./examples/chat
//
// serves it on http://localhost:3000 and keeps everything in a file. With -nats several of them are one chat. With
// -tls-cert and -tls-key it speaks https (and wss).
//
// How often forms may be sent has limits, for each session and each address that connects, on each node. Behind a proxy all
// visitors have the proxy's address, and share its limits: what it writes into headers is not believed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golazy.dev/examples/chat/app/realtime"
	appinit "golazy.dev/examples/chat/init"
	"golazy.dev/lazyroutes"
)

// stopTimeout bounds how long a stopping server waits for requests and sockets.
const stopTimeout = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		slog.Error("chat", "error", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	addr, cert, key           string
	db, nats, secret          string
	publishKey, staffPasscode string
}

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.StringVar(&s.addr, "addr", "localhost:3000", "`host:port` to listen on")
	flags.StringVar(&s.cert, "tls-cert", "", "`file` with the certificate, for https")
	flags.StringVar(&s.key, "tls-key", "", "`file` with the certificate's key")
	flags.StringVar(&s.db, "db", "", "SQLite `file` that keeps everything; by default chat.db in the user's cache directory")
	flags.StringVar(&s.nats, "nats", "", "`URL` of NATS servers with JetStream, instead of a file: all chats there are one")
	flags.StringVar(&s.secret, "secret", "", "`file` with the key of all keys, made if it is missing, the same for all nodes;\n"+
		"by default beside the database, with -nats chat.secret in the user's cache directory")
	flags.StringVar(&s.publishKey, "publish-key", "", "`key` for programs that publish; by default made of the secret")
	flags.StringVar(&s.staffPasscode, "staff-passphrase", "", "`passphrase` of the private room; by default made of the secret")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if (s.cert == "") != (s.key == "") {
		return s, errors.New("-tls-cert and -tls-key go together")
	}
	if s.nats != "" && s.db != "" {
		return s, errors.New("-db and -nats exclude each other")
	}
	return s, s.setFiles()
}

// run serves until ctx is done, then lets requests and sockets end.
func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	s, err := parse(args)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	log, err := s.openLog(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	secret, err := readSecret(s.secret)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	chat, err := realtime.Open(ctx, log, realtime.Options{Secret: secret, PublishKey: s.publishKey, Passphrase: s.staffPasscode})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return s.serve(ctx, listener, chat, stdout)
}

// serve serves the chat and ends it.
func (s settings) serve(ctx context.Context, listener net.Listener, chat *realtime.Chat, stdout io.Writer) error {
	plain := realtime.NewPlain()
	router := lazyroutes.New(ctx)
	appinit.Draw(router, chat, plain)
	server := &http.Server{Handler: router, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}

	ended := make(chan error, 1)
	go func() {
		if s.cert == "" {
			ended <- server.Serve(listener)
		} else {
			ended <- server.ServeTLS(listener, s.cert, s.key)
		}
	}()
	welcome(stdout, pageURL(s.addr, listener.Addr(), s.cert != ""), chat)

	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	return errors.Join(err, shutdown(server, chat, plain))
}

// welcome says where the chat is, and what only its owner should know.
func welcome(out io.Writer, url string, chat *realtime.Chat) {
	_, _ = fmt.Fprintf(out, `chat: %s
chat: the passphrase of the room Staff is %s
chat: a program says something in the lobby with
      curl -H 'Authorization: Bearer %s' -d '{"stream":"room:lobby","data":"{\"name\":\"cron\",\"text\":\"backup done\"}"}' %s/_broadcast
`, url, chat.Passphrase(), chat.PublishKey(), url)
}

// shutdown sends the browsers away, a few at a time, while pages are still served; then it takes no more connections and
// waits for the requests.
func shutdown(server *http.Server, chat *realtime.Chat, plain *realtime.Plain) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return errors.Join(chat.Hub.Shutdown(ctx), plain.Here.Shutdown(ctx), server.Shutdown(ctx))
}

// pageURL is the address to open: the host as it was asked for, the port as it was given.
func pageURL(asked string, got net.Addr, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	host, _, _ := net.SplitHostPort(asked)
	if host == "" {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(got.String())
	return scheme + "://" + net.JoinHostPort(host, port)
}
