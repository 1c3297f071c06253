package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ipfs/go-cid"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/autonatv2"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/multiformats/go-multiaddr"
)

// call is what is asked; each kind of call reads the fields it needs.
type call struct {
	ID         int      `json:"id"`
	Call       string   `json:"call"`
	Addr       string   `json:"addr"`
	Peer       string   `json:"peer"`
	Addrs      []string `json:"addrs"`
	Count      int      `json:"count"`
	IntervalMs int      `json:"interval_ms"`
	Topic      string   `json:"topic"`
	Key        string   `json:"key"`
	Text       string   `json:"text"`
	Upload     uint64   `json:"upload"`
	Download   uint64   `json:"download"`
	TimeoutMs  int      `json:"timeout_ms"`
}

type answer map[string]any

func (s *server) answer(ctx context.Context, asked call) {
	limit := patience
	if asked.TimeoutMs > 0 {
		limit = time.Duration(asked.TimeoutMs) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(ctx, "interop"), limit)
	defer cancel()
	calls := map[string]func(context.Context, call) (answer, error){
		"addrs": s.tellAddrs, "connect": s.connect, "identify": s.identify, "ping": s.ping, "reserve": s.reserve,
		"perf": s.perf, "echo": s.echo, "reach": s.reach, "subscribe": s.subscribe, "publish": s.publish,
		"meet": s.meet, "find-peer": s.findPeer, "provide": s.provide, "providers": s.providers, "put": s.put, "get": s.get,
	}
	do, known := calls[asked.Call]
	result, err := answer{}, fmt.Errorf("no such call: %s", asked.Call)
	if known {
		result, err = do(ctx, asked)
	}
	if err != nil {
		result = answer{"error": err.Error()}
		var refused client.ReservationError
		if errors.As(err, &refused) {
			result["status"] = refused.Status.String()
		}
	}
	result["id"] = asked.ID
	say(result)
}

// dial reaches a peer by this address and no other.
func (s *server) dial(ctx context.Context, addr string) (network.Conn, error) {
	info, err := peer.AddrInfoFromString(addr)
	if err != nil {
		return nil, err
	}
	s.host.Peerstore().ClearAddrs(info.ID)
	if err := s.host.Connect(ctx, *info); err != nil {
		return nil, err
	}
	conns := s.host.Network().ConnsToPeer(info.ID)
	if len(conns) == 0 {
		return nil, errors.New("the connection closed at once")
	}
	return conns[len(conns)-1], nil
}

func (s *server) tellAddrs(context.Context, call) (answer, error) {
	return answer{"addrs": s.addrs()}, nil
}

func (s *server) connect(ctx context.Context, asked call) (answer, error) {
	conn, err := s.dial(ctx, asked.Addr)
	if err != nil {
		return nil, err
	}
	state := conn.ConnState()
	return answer{
		"peer": conn.RemotePeer(), "remote_addr": conn.RemoteMultiaddr(), "transport": state.Transport,
		"security": state.Security, "muxer": state.StreamMultiplexer, "limited": conn.Stat().Limited,
	}, nil
}

func (s *server) identify(ctx context.Context, asked call) (answer, error) {
	conn, err := s.dial(ctx, asked.Addr)
	if err != nil {
		return nil, err
	}
	var seen event.EvtPeerIdentificationCompleted
	err = until(ctx, "it did not identify itself", func() (known bool) {
		s.lock.Lock()
		defer s.lock.Unlock()
		seen, known = s.identified[conn.RemotePeer()]
		return known
	})
	return answer{
		"peer": seen.Peer, "agent_version": seen.AgentVersion, "protocol_version": seen.ProtocolVersion,
		"protocols": seen.Protocols, "listen_addrs": seen.ListenAddrs, "observed_addr": seen.ObservedAddr,
		"signed_record": seen.SignedPeerRecord != nil,
	}, err
}

// ping is go's own client: one stream for every echo, until one fails.
func (s *server) ping(ctx context.Context, asked call) (answer, error) {
	conn, err := s.dial(ctx, asked.Addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rtts := []float64{}
	for result := range ping.Ping(ctx, s.host, conn.RemotePeer()) {
		if result.Error != nil {
			return answer{"rtts_ms": rtts, "ended": result.Error.Error()}, nil
		}
		rtts = append(rtts, float64(result.RTT.Microseconds())/1000)
		if len(rtts) >= asked.Count {
			break
		}
		time.Sleep(time.Duration(asked.IntervalMs) * time.Millisecond)
	}
	return answer{"rtts_ms": rtts, "ended": nil}, nil
}

func (s *server) reserve(ctx context.Context, asked call) (answer, error) {
	info, err := peer.AddrInfoFromString(asked.Addr)
	if err != nil {
		return nil, err
	}
	got, err := client.Reserve(ctx, s.host, *info)
	if err != nil {
		return nil, err
	}
	return answer{
		"addrs": got.Addrs, "expires_s": time.Until(got.Expiration).Seconds(), "voucher": got.Voucher != nil,
		"limit_s": got.LimitDuration.Seconds(), "limit_bytes": got.LimitData,
	}, nil
}

// servePerf sends as many bytes as were asked for, once the other side has sent all of its own.
func servePerf(stream network.Stream) {
	defer stream.Close()
	var wanted uint64
	if binary.Read(stream, binary.BigEndian, &wanted) != nil {
		return
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return
	}
	_, _ = io.CopyN(stream, zeros{}, int64(wanted))
}

func (s *server) perf(ctx context.Context, asked call) (answer, error) {
	conn, err := s.dial(ctx, asked.Addr)
	if err != nil {
		return nil, err
	}
	stream, err := s.host.NewStream(ctx, conn.RemotePeer(), "/perf/1.0.0")
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if err := binary.Write(stream, binary.BigEndian, asked.Download); err != nil {
		return nil, err
	}
	sent, err := io.CopyN(stream, zeros{}, int64(asked.Upload))
	if err != nil {
		return nil, err
	}
	if err := stream.CloseWrite(); err != nil {
		return nil, err
	}
	received, err := io.Copy(io.Discard, stream)
	return answer{"sent_bytes": sent, "received_bytes": received}, err
}

func serveEcho(stream network.Stream) {
	defer stream.Close()
	_, _ = io.Copy(stream, stream)
}

// echo sends a text, ends its way, and reads what comes back to the end.
func (s *server) echo(ctx context.Context, asked call) (answer, error) {
	conn, err := s.dial(ctx, asked.Addr)
	if err != nil {
		return nil, err
	}
	stream, err := s.host.NewStream(ctx, conn.RemotePeer(), protocol.ID(asked.Key))
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if _, err := io.WriteString(stream, asked.Text); err != nil {
		return nil, err
	}
	if err := stream.CloseWrite(); err != nil {
		return nil, err
	}
	came, err := io.ReadAll(stream)
	return answer{"text": string(came)}, err
}

type zeros struct{}

func (zeros) Read(into []byte) (int, error) { clear(into); return len(into), nil }

func (s *server) reach(ctx context.Context, asked call) (answer, error) {
	requests := []autonatv2.Request{}
	for _, text := range asked.Addrs {
		addr, err := multiaddr.NewMultiaddr(text)
		if err != nil {
			return nil, err
		}
		requests = append(requests, autonatv2.Request{Addr: addr, SendDialData: true})
	}
	got, err := s.autonat.GetReachability(ctx, requests)
	return answer{"addr": got.Addr, "reachability": got.Reachability.String(), "refused": got.AllAddrsRefused}, err
}

func (s *server) topic(name string) (*pubsub.Topic, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if joined, ok := s.topics[name]; ok {
		return joined, nil
	}
	joined, err := s.gossip.Join(name)
	s.topics[name] = joined
	return joined, err
}

func (s *server) subscribe(_ context.Context, asked call) (answer, error) {
	topic, err := s.topic(asked.Topic)
	if err != nil {
		return nil, err
	}
	messages, err := topic.Subscribe()
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			message, err := messages.Next(context.Background())
			if err != nil {
				return
			}
			say(answer{
				"event": "message", "topic": asked.Topic, "from": message.GetFrom(), "text": string(message.Data),
				"signed": len(message.Signature) > 0,
			})
		}
	}()
	return answer{}, nil
}

// publish waits for somebody who subscribes, else the message would go to nobody.
func (s *server) publish(ctx context.Context, asked call) (answer, error) {
	topic, err := s.topic(asked.Topic)
	if err == nil {
		err = until(ctx, "nobody subscribes", func() bool { return len(topic.ListPeers()) > 0 })
	}
	if err != nil {
		return nil, err
	}
	return answer{}, topic.Publish(ctx, []byte(asked.Text))
}

// meet waits for so many peers in the table of the DHT: go looks at each before it takes it.
func (s *server) meet(ctx context.Context, asked call) (answer, error) {
	err := until(ctx, "nobody is in the table", func() bool { return s.dht.RoutingTable().Size() >= asked.Count })
	return answer{}, err
}

func until(ctx context.Context, otherwise string, holds func() bool) error {
	for !holds() {
		select {
		case <-ctx.Done():
			return errors.New(otherwise)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func (s *server) findPeer(ctx context.Context, asked call) (answer, error) {
	id, err := peer.Decode(asked.Peer)
	if err != nil {
		return nil, err
	}
	found, err := s.dht.FindPeer(ctx, id)
	return answer{"peer": found.ID, "addrs": found.Addrs}, err
}

func (s *server) provide(ctx context.Context, asked call) (answer, error) {
	content, err := cid.Decode(asked.Key)
	if err != nil {
		return nil, err
	}
	return answer{}, s.dht.Provide(ctx, content, true)
}

func (s *server) providers(ctx context.Context, asked call) (answer, error) {
	content, err := cid.Decode(asked.Key)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for found := range s.dht.FindProvidersAsync(ctx, content, 1) {
		ids = append(ids, found.ID.String())
	}
	return answer{"peers": ids}, nil
}

func (s *server) put(ctx context.Context, asked call) (answer, error) {
	return answer{}, s.dht.PutValue(ctx, asked.Key, []byte(asked.Text))
}

func (s *server) get(ctx context.Context, asked call) (answer, error) {
	value, err := s.dht.GetValue(ctx, asked.Key)
	return answer{"text": string(value)}, err
}
