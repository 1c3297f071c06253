/** The rows of src/event-table.ts that need no peer: addresses, names and keys. */
import { dnsFaults, peerForms } from './event-shapes.ts'

export const offlineEvents = {
  'addr.parse': [
    'an address taken apart, without asking anybody, and everything that is wrong with it',
    {
      valid: 'boolean',
      addr: 'string|null',
      components: [{ name: 'string', code: 'integer', value: 'string|null' }],
      peer: [null, peerForms],
      scope: [null, ['public', 'private', 'circuit']],
      transports: [{ name: 'string', in_build: 'boolean' }],
      problems: [{ level: ['error', 'warning'], message: 'string', hint: 'string|null' }]
    }
  ],
  'addr.resolve': ['the addresses that an address with names in it stands for', { addr: 'string', addrs: 'string[]' }],
  'addr.dnsaddr': [
    'a TXT record for a DNS zone, its text in strings of 255 bytes at most',
    {
      name: 'string',
      ttl_s: 'integer',
      strings: 'string[]',
      addr: 'string',
      scope: ['public', 'private', 'circuit']
    }
  ],
  'dns.record': [
    'a record that the look-up of an address gave, the address that is in it, and its fault if it has one',
    {
      under: 'string',
      name: 'string',
      record: 'string',
      addr: 'string|null',
      fault: [null, dnsFaults],
      message: 'string|null'
    }
  ],
  'dns.fault': ['an address that leads nowhere', { addr: 'string', fault: dnsFaults, message: 'string' }],
  'key.show': [
    'a private key file, by its public side only',
    {
      path: 'string',
      peer_id: 'string',
      key_type: 'string',
      'created?': 'boolean',
      'format?': 'string',
      'public_key?': 'string',
      'cid_base32?': 'string',
      'cid_base36?': 'string'
    }
  ],
  'key.psk': [
    'the key of a private network, by its fingerprint, as Kubo prints it',
    { path: 'string', fingerprint: 'string', 'created?': 'boolean' }
  ],
  'key.convert': [
    'a private key was written in another form',
    { path: 'string', out: 'string', from: 'string', to: 'string', peer_id: 'string', key_type: 'string' }
  ]
} as const
