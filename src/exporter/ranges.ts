/** Addresses that nobody is made to connect to unless the operator says so: what they are, and how blocks are read. */
import { BlockList, isIP } from 'node:net'

/** A block of IP addresses, as it was written; one of another family is never in it. */
export interface Block {
  text: string
  has(ip: string): boolean
}

/** `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`; null for anything else. */
export function blockOf(text: string): Block | null {
  const [, net = '', prefix] = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? []
  const family = isIP(net)
  const most = family === 6 ? 128 : 32
  const bits = prefix == null ? most : Number(prefix)
  if (family === 0 || bits > most) return null
  const name = family === 6 ? 'ipv6' : 'ipv4'
  // a list for each: Node's would find IPv4 addresses in blocks of their IPv6 form
  const list = new BlockList()
  list.addSubnet(net, bits, name)
  return { text, has: ip => isIP(ip) === family && list.check(ip, name) }
}

/** https://www.iana.org/assignments/iana-ipv4-special-registry, and where clouds keep their secrets. */
const special: [says: string, blocks: string[]][] = [
  [
    'cloud metadata',
    ['169.254.169.254', '169.254.170.2', '100.100.100.200', '192.0.0.192', '168.63.129.16', 'fd00:ec2::254']
  ],
  ['loopback', ['127.0.0.0/8', '::1']],
  ['this machine', ['0.0.0.0/8', '::']],
  ['link-local', ['169.254.0.0/16', 'fe80::/10']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7', 'fec0::/10']],
  ['multicast', ['224.0.0.0/4', 'ff00::/8']],
  ['reserved', ['192.0.0.0/24', '198.18.0.0/15', '240.0.0.0/4', '2001::/23', '2001:db8::/32', '3fff::/20']],
  // they lead to an IPv4 address, whichever it is
  ['an IPv4 address in IPv6', ['2002::/16', '::ffff:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48']]
]

const ranges = special.map(([says, blocks]) => ({ says, blocks: blocks.map(text => blockOf(text)!) }))
const global6 = blockOf('2000::/3')!

/** What is special about an IP address, in a word or two; null for one of the internet. */
export function specialOf(ip: string): string | null {
  const found = ranges.find(({ blocks }) => blocks.some(block => block.has(ip)))
  if (found != null) return found.says
  return isIP(ip) === 6 && !global6.has(ip) ? 'reserved' : null
}
