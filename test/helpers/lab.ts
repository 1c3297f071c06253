import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { cleanEnv, type Result, type Running, type RunOptions, start } from './cli.ts'

/**
 * Networks of a test's own: hosts in network namespaces of Linux, on a switch that leads nowhere else, and routers with
 * a NAT. Nothing of the machine's own network is touched, and nothing leaves it.
 *
 *     await using lab = await openLab()
 *     const relay = await lab.host('relay', '44.1.0.10/16')
 *     const nat = await lab.nat('nat', '44.1.0.20/16', '192.168.7.1/24')
 *     const home = await nat.host('home', '192.168.7.2/24')
 *     await using listener = home.start(['listen', '--tcp', '4001', '--json'])
 */
export interface Lab extends AsyncDisposable {
  /** A host on the switch. 44.1.0.0/16 is public to libp2p; the ranges for documentation are not. */
  host(name: string, ...addrs: string[]): Promise<Host>
  /** A router between the switch and a segment of its own; what is behind it is seen as its outside address. */
  nat(name: string, outside: string, inside: string, options?: NatOptions): Promise<Nat>
}

export interface NatOptions {
  /** Each destination sees another port, so that no address that one peer observes is of use to a second. */
  symmetric?: boolean
}

export interface Host {
  /** Its first address, without the prefix. */
  readonly ip: string
  /** Its network namespace. */
  readonly namespace: string
  /** A p2pctl on it that goes on; it is killed with the lab at the latest. */
  start(args: string[], options?: RunOptions): Running
  /** A p2pctl on it, to its end. */
  run(args: string[], options?: RunOptions): Promise<Result>
  /** Any other program on it, stdout and stderr as pipes; it is killed with the lab at the latest. */
  spawn(command: string, ...args: string[]): ChildProcess
}

export interface Nat extends Host {
  /** A host behind it. */
  host(name: string, addr: string): Promise<Host>
  /** Hands what comes to this port of the outside address to a host behind it. */
  forward(protocol: 'tcp' | 'udp', port: number, to: Host): Promise<void>
}

const PREFIX = 'p2pctl-lab'
const probe = `${PREFIX}-${process.pid}-probe`
let labs = 0

/** What hosts need: a reason to skip, or false. In a container even root may not make them. */
export const noLab = works('ip', 'netns', 'add', probe) ? false : 'no network namespaces: they take root and `ip netns`'

/** What a NAT needs: a reason to skip, or false. */
export const noNat =
  noLab || (works('ip', 'netns', 'exec', probe, 'nft', 'add', 'table', 'ip', 'lab') ? false : 'no NAT: it takes `nft`')

if (noLab === false) remove([probe])

export async function openLab(): Promise<Lab> {
  sweep()
  const own = `${PREFIX}-${process.pid}-${++labs}`
  const namespaces = new Set<string>()
  const running = new Set<ChildProcess>()
  // also where a test did not come to its end
  const onExit = (): void => remove([...namespaces])
  process.once('exit', onExit)

  const namespace = async (name: string): Promise<string> => {
    const full = `${own}-${name}`
    namespaces.add(full)
    await ip(null, `netns add ${full}`)
    await on(full, 'for links in all default; do echo 1 >/proc/sys/net/ipv6/conf/$links/disable_ipv6; done')
    await ip(full, 'link set lo up')
    return full
  }

  /** Plugs one end of a cable into a host and the other into a switch. */
  let cables = 0
  const plug = async (host: string, device: string, into: string, addrs: string[]): Promise<void> => {
    const port = `port${++cables}`
    await ip(null, `link add ${device} netns ${host} type veth peer name ${port} netns ${into}`)
    await ip(into, `link set ${port} master switch up`)
    await ip(host, ...addrs.map(addr => `address add ${addr} dev ${device}`), `link set ${device} up`)
  }

  const hostIn = (name: string, addr: string): Host => ({
    ip: ipOf(addr),
    namespace: name,
    start(args, options) {
      const started = start(args, { ...options, within: ['ip', 'netns', 'exec', name] })
      running.add(started.child)
      return started
    },
    run(args, options) {
      return this.start(args, options).done
    },
    spawn(command, ...args) {
      const child = spawn('ip', ['netns', 'exec', name, command, ...args], {
        env: cleanEnv(),
        stdio: ['ignore', 'pipe', 'pipe']
      })
      running.add(child)
      return child
    }
  })

  const network = await namespace('switch')
  await ip(network, 'link add switch type bridge', 'link set switch up')

  return {
    async host(name, ...addrs) {
      const host = await namespace(name)
      await plug(host, 'eth0', network, addrs)
      // mDNS sends nothing where there is no route for 224.0.0.251
      await ip(host, 'route add default dev eth0')
      return hostIn(host, addrs[0]!)
    },
    async nat(name, outside, inside, { symmetric = false } = {}) {
      const router = await namespace(name)
      await ip(router, 'link add switch type bridge', `address add ${inside} dev switch`, 'link set switch up')
      await plug(router, 'wan', network, [outside])
      await ip(router, 'route add default dev wan')
      await on(router, 'echo 1 >/proc/sys/net/ipv4/ip_forward')
      await nft(router, masquerade(symmetric))
      return {
        ...hostIn(router, outside),
        async host(behind, addr) {
          const host = await namespace(behind)
          await plug(host, 'eth0', router, [addr])
          await ip(host, `route add default via ${ipOf(inside)}`)
          return hostIn(host, addr)
        },
        async forward(protocol, port, to) {
          await nft(router, `add rule ip lab forwards iifname "wan" ${protocol} dport ${port} dnat to ${to.ip}`)
        }
      }
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', onExit)
      await Promise.all([...running].map(end))
      remove([...namespaces])
    }
  }
}

/** As a home router does it: whoever was not sent to first is dropped, without a word. */
function masquerade(symmetric: boolean): string {
  return `table ip lab {
    chain forwards {
      type nat hook prerouting priority dstnat; policy accept;
    }
    chain leaving {
      type nat hook postrouting priority srcnat; policy accept;
      oifname "wan" masquerade ${symmetric ? 'fully-random' : ''}
    }
    chain passing {
      type filter hook forward priority filter; policy accept;
      iifname "wan" ct state established,related accept
      iifname "wan" ct status dnat accept
      iifname "wan" drop
    }
    chain arriving {
      type filter hook input priority filter; policy accept;
      iifname "wan" ct state established,related accept
      iifname "wan" drop
    }
  }`
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode != null || child.signalCode != null || child.pid == null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** Network namespaces outlive a run that was killed. Their names say whose they were. */
function sweep(): void {
  remove(
    namespacesOf(name => {
      const pid = Number(name.split('-')[2])
      try {
        process.kill(pid, 0)
        return false
      } catch {
        return true
      }
    })
  )
}

function namespacesOf(fits: (name: string) => boolean): string[] {
  try {
    return readdirSync('/run/netns').filter(name => name.startsWith(`${PREFIX}-`) && fits(name))
  } catch {
    // there was never one
    return []
  }
}

/** At once, since it also runs while the process exits. One that is gone already is no matter. */
function remove(namespaces: string[]): void {
  for (const name of namespaces) {
    try {
      execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
    } catch {}
  }
}

const ip = (namespace: string | null, ...lines: string[]): Promise<void> =>
  feed('ip', [...(namespace == null ? [] : ['-netns', namespace]), '-batch', '-'], lines.join('\n'))

const nft = (namespace: string, rules: string): Promise<void> =>
  feed('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], rules)

const on = (namespace: string, script: string): Promise<void> =>
  feed('ip', ['netns', 'exec', namespace, 'sh', '-e'], script)

/** Runs a program with this on its stdin; what it says on stderr is the error when it fails. */
function feed(command: string, args: string[], stdin: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, (error, _stdout, stderr) => {
      if (error == null) resolve()
      else reject(new Error(`${command} ${args.join(' ')}\n${stdin}\n${stderr}`))
    })
    child.stdin!.end(`${stdin}\n`)
  })
}

function works(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function ipOf(addr: string): string {
  return addr.split('/')[0]!
}
