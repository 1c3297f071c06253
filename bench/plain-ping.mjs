// What a person would write instead of `p2pctl ping -c 1 ADDR`: the same packages, as they are published. Plain JavaScript,
// since reading TypeScript costs a start too.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import chalk from 'chalk'
import { Command } from 'commander'
import { createLibp2p } from 'libp2p'
import ora from 'ora'

const [addr] = new Command('plain-ping').argument('<addr>').parse().args
const node = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping() }
})
const spinner = ora('dialing').start()
const rtt = await node.services.ping.ping(multiaddr(addr))
spinner.stop()
process.stdout.write(`${chalk.green('pong')} ${rtt} ms\n`)
process.exit()
