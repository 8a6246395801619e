package server

import (
	"context"
	"net/http"
	"time"

	"github.com/centrifugal/centrifuge"
)

// newCentrifuge makes a node with its memory engine, which keeps as much history as
// ours, and clients that may recover.
func newCentrifuge() (http.Handler, publisher, error) {
	node, err := centrifuge.New(centrifuge.Config{LogLevel: centrifuge.LogLevelNone, ClientChannelLimit: 2000})
	if err != nil {
		return nil, nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: ""}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
			reply(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{EnableRecovery: true, EnablePositioning: true}}, nil)
		})
	})
	if err := node.Run(); err != nil {
		return nil, nil, err
	}
	publish := func(_ context.Context, topic string, data []byte) error {
		_, err := node.Publish(topic, data, centrifuge.WithHistory(100, time.Hour))
		return err
	}
	return centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}), publish, nil
}
