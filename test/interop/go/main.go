// A go-libp2p host for p2pctl's interoperability rows. Flags say what it is; it reads calls from stdin, one JSON object a
// line, and answers each on stdout by its id. What comes of itself (ready, message, found) has no id.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	"github.com/libp2p/go-libp2p/p2p/protocol/autonatv2"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	webrtc "github.com/libp2p/go-libp2p/p2p/transport/webrtc"
	"github.com/libp2p/go-libp2p/p2p/transport/websocket"
	webtransport "github.com/libp2p/go-libp2p/p2p/transport/webtransport"
)

var (
	listen       = flag.String("listen", "/ip4/127.0.0.1/tcp/0", "addresses, separated by commas; none listens nowhere")
	security     = flag.String("security", "tls,noise", "what is offered, in this order")
	pskFile      = flag.String("psk", "", "the swarm.key of a private network")
	cert         = flag.String("cert", "", "the certificate of a wss address (PEM), and the key in -key")
	key          = flag.String("key", "", "its private key (PEM)")
	relayService = flag.Bool("relay", false, "be a relay, with go's limits where the next flags say nothing")
	relayData    = flag.Int64("relay-data", 0, "the bytes a circuit may carry each way")
	relayTime    = flag.Duration("relay-time", 0, "how long a circuit may last")
	relayMax     = flag.Int("relay-max", 0, "how many may reserve")
	holePunching = flag.Bool("dcutr", false, "make circuits direct")
	autonat      = flag.Bool("autonat", false, "speak AutoNAT v2, and of private addresses too")
	dhtPrefix    = flag.String("dht", "", "serve the DHT of this prefix")
	gossip       = flag.Bool("pubsub", false, "speak gossipsub")
	local        = flag.Bool("mdns", false, "ask and answer the local network")
)

// server is the host and what the flags added to it.
type server struct {
	host    host.Host
	dht     *dht.IpfsDHT
	gossip  *pubsub.PubSub
	autonat *autonatv2.AutoNAT
	topics  map[string]*pubsub.Topic

	identified map[peer.ID]event.EvtPeerIdentificationCompleted
	lock       sync.Mutex
}

var stdout sync.Mutex

func say(line any) {
	stdout.Lock()
	defer stdout.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(line)
}

func main() {
	flag.Parse()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := open(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer s.host.Close()
	say(map[string]any{"event": "ready", "peer": s.host.ID(), "addrs": s.addrs(), "versions": versions()})
	// stdin is the life of this process: it ends with whoever started it
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var asked call
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go s.answer(ctx, asked)
	}
}

func open(ctx context.Context) (*server, error) {
	options := []libp2p.Option{libp2p.NoTransports, libp2p.DisableMetrics()}
	ws := []any{websocket.WithTLSClientConfig(&tls.Config{InsecureSkipVerify: true})}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return nil, err
		}
		ws = append(ws, websocket.WithTLSConfig(&tls.Config{Certificates: []tls.Certificate{pair}}))
	}
	options = append(options, libp2p.Transport(tcp.NewTCPTransport), libp2p.Transport(websocket.New, ws...))
	if *pskFile == "" {
		options = append(options, libp2p.Transport(quic.NewTransport), libp2p.Transport(webrtc.New),
			libp2p.Transport(webtransport.New))
	} else {
		file, err := os.Open(*pskFile)
		if err != nil {
			return nil, err
		}
		psk, err := pnet.DecodeV1PSK(file)
		if err != nil {
			return nil, err
		}
		options = append(options, libp2p.PrivateNetwork(psk))
	}
	if *listen == "none" {
		options = append(options, libp2p.NoListenAddrs, libp2p.EnableRelay())
	} else {
		options = append(options, libp2p.ListenAddrStrings(strings.Split(*listen, ",")...))
	}
	for _, name := range strings.Split(*security, ",") {
		if name == "noise" {
			options = append(options, libp2p.Security(noise.ID, noise.New))
		} else {
			options = append(options, libp2p.Security(libp2ptls.ID, libp2ptls.New))
		}
	}
	if *relayService {
		resources := relay.DefaultResources()
		if *relayData > 0 {
			resources.Limit.Data = *relayData
		}
		if *relayTime > 0 {
			resources.Limit.Duration = *relayTime
		}
		if *relayMax > 0 {
			resources.MaxReservations = *relayMax
		}
		// a host that may be behind a NAT does not start its relay
		options = append(options, libp2p.EnableRelayService(relay.WithResources(resources)), libp2p.ForceReachabilityPublic())
	}
	if *holePunching {
		options = append(options, libp2p.EnableHolePunching())
	}
	h, err := libp2p.New(options...)
	if err != nil {
		return nil, err
	}
	s := &server{host: h, topics: map[string]*pubsub.Topic{}, identified: map[peer.ID]event.EvtPeerIdentificationCompleted{}}
	h.SetStreamHandler("/perf/1.0.0", servePerf)
	h.SetStreamHandlerMatch("/x/", func(id protocol.ID) bool { return strings.HasPrefix(string(id), "/x/") }, serveEcho)
	if err := s.watchIdentify(); err != nil {
		return nil, err
	}
	if *dhtPrefix != "" {
		s.dht, err = dht.New(h, dht.Mode(dht.ModeServer), dht.ProtocolPrefix(protocol.ID(*dhtPrefix)),
			dht.NamespacedValidator("v", anyRecord{}))
	}
	if err == nil && *gossip {
		s.gossip, err = pubsub.NewGossipSub(ctx, h)
	}
	if err == nil && *autonat {
		err = s.openAutonat()
	}
	if err == nil && *local {
		err = mdns.NewMdnsService(h, "", s).Start()
	}
	return s, err
}

func (s *server) openAutonat() error {
	// it dials back as another peer than the one that was asked, or the answer would prove nothing
	dialer, err := libp2p.New(libp2p.NoListenAddrs, libp2p.DisableMetrics())
	if err != nil {
		return err
	}
	if s.autonat, err = autonatv2.New(dialer, autonatv2.AllowPrivateAddrs); err != nil {
		return err
	}
	return s.autonat.Start(s.host)
}

// HandlePeerFound says what mDNS found.
func (s *server) HandlePeerFound(found peer.AddrInfo) {
	say(map[string]any{"event": "found", "peer": found.ID, "addrs": found.Addrs})
}

func (s *server) watchIdentify() error {
	events, err := s.host.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted))
	if err != nil {
		return err
	}
	go func() {
		for e := range events.Out() {
			seen := e.(event.EvtPeerIdentificationCompleted)
			s.lock.Lock()
			s.identified[seen.Peer] = seen
			s.lock.Unlock()
		}
	}()
	return nil
}

func (s *server) addrs() []string {
	addrs := []string{}
	for _, addr := range s.host.Addrs() {
		addrs = append(addrs, fmt.Sprintf("%s/p2p/%s", addr, s.host.ID()))
	}
	return addrs
}

// versions are those of the modules that were built in, as the binary itself knows them.
func versions() map[string]string {
	found := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		found["go"] = info.GoVersion
		for _, module := range info.Deps {
			if name, ours := strings.CutPrefix(module.Path, "github.com/libp2p/"); ours && strings.HasPrefix(name, "go-libp2p") {
				found[name] = module.Version
			}
		}
	}
	return found
}

// anyRecord takes every record of /v, and the first of several.
type anyRecord struct{}

func (anyRecord) Validate(string, []byte) error        { return nil }
func (anyRecord) Select(string, [][]byte) (int, error) { return 0, nil }

const patience = 20 * time.Second
