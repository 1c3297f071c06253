import { doubledLimits } from './doubled-limits.ts'

/**
 * Faults that somebody might make, each with the tests that have to notice. `from` stands once in its file. What is not
 * noticed is a hole in the tests: `npm run mutations` makes them one after the other, in a copy.
 */
export interface Mutation {
  says: string
  file: string
  from: string
  to: string
  /** Where the tests stand, and what is in the names of those that notice. */
  tests: string[]
  named: string
  /** Its tests go through dist/. */
  built?: true
}

export const mutations: Mutation[] = [
  {
    says: 'ping: the comparison of bytes is inverted',
    file: 'src/protocols/ping.ts',
    from: 'equals(payload, answer)',
    to: '!equals(payload, answer)',
    tests: ['test/properties/models.test.ts'],
    named: 'pings: whatever the peer does'
  },
  {
    says: 'send: a receipt is believed without its size and hash',
    file: 'src/protocols/send-failures.ts',
    from: 'if (receipt.size === sent && actual === expected) return',
    to: 'return',
    tests: ['test/send-protocol.test.ts'],
    named: 'a receiver that confirms another hash'
  },
  {
    says: 'send: the end of the stream is taken for the acknowledgement',
    file: 'src/protocols/send.ts',
    from: "throw failure(connection, 'stream_reset', `${peer} ended the stream before it had confirmed`)",
    to: "yield { type: 'send.done', ...told(flow.sent), total_bytes: flow.sent, sha256: peer, confirmed: true }; return",
    tests: ['test/send-protocol.test.ts'],
    named: 'a receiver that vanishes, resets or ends'
  },
  {
    says: 'receiving: the hash is not compared',
    file: 'src/protocols/receive.ts',
    from: 'if (!right) throw',
    to: 'if (false) throw',
    tests: ['test/inbox.test.ts'],
    named: 'a sender that lies about size or hash'
  },
  {
    says: 'receiving: a name is given by replacing what has it',
    file: 'src/folder.ts',
    from: 'await link(folder.at(part), folder.at(name))',
    to: 'await rename(folder.at(part), folder.at(name)); return true',
    tests: ['test/inbox.test.ts'],
    named: 'a file that is there stays as it is'
  },
  {
    says: 'receiving: what was kept to go on with may have another name elsewhere',
    file: 'src/folder.ts',
    from: 'isFile && nlink === 1 && (',
    to: 'isFile && nlink >= 1 && (',
    tests: ['test/received-files.test.ts'],
    named: 'what was kept and has another name elsewhere'
  },
  {
    says: 'receiving: the limit of the length of a name is doubled',
    file: 'src/protocols/send-frames.ts',
    from: 'name: [2, text(1024)]',
    to: 'name: [2, text(2048)]',
    tests: ['test/inbox.test.ts'],
    named: 'a name with bytes that are not Unicode'
  },
  {
    says: 'keys: it does not matter who can read them',
    file: 'src/keys.ts',
    from: '(stat.mode & 0o077) !== 0',
    to: '(stat.mode & 0o077) > 0o077',
    tests: ['test/keys.test.ts'],
    named: 'a key that others can read is refused'
  },
  {
    says: 'keys: O_EXCL is left out',
    file: 'src/keys.ts',
    from: "open(path, 'wx', 0o600)",
    to: "open(path, 'w', 0o600)",
    tests: ['test/keys.test.ts'],
    named: 'what exists is never overwritten'
  },
  {
    says: 'dial: whoever answers is right',
    file: 'src/dial-addr.ts',
    from: 'transportManager.dial(addr, { ...how, onProgress })',
    to: 'transportManager.dial(addr.decapsulateCode(421), { ...how, onProgress })',
    tests: ['test/dial-failures.test.ts'],
    named: 'another peer answers, and both are named'
  },
  {
    says: 'the sanitiser lets what turns the direction of writing through',
    file: 'src/safe.ts',
    from: String.raw`\p{Cc}\p{Cf}\p{Zl}`,
    to: String.raw`\p{Cc}\p{Zl}`,
    tests: ['test/properties/safe.test.ts'],
    named: 'any text: nothing forbidden'
  },
  {
    says: 'JSON lines have C1 in them as it is',
    file: 'src/safe.ts',
    from: "unsafeInJson = lazy(() => new RegExp(`[${hidden}]`, 'gu'))",
    to: "unsafeInJson = lazy(() => new RegExp(`(?![\\x80-\\x9f])[${hidden}]`, 'gu'))",
    tests: ['test/properties/safe.test.ts'],
    named: 'any value as a JSON line'
  },
  {
    says: 'some of several targets failed, and the exit code is 0',
    file: 'src/targets.ts',
    from: '(only?.exitCode ?? 1)',
    to: '(only?.exitCode ?? 0)',
    tests: ['test/process.test.ts'],
    named: 'one target ends with the code of its failure',
    built: true
  },
  {
    says: 'run.summary says ok where it is not',
    file: 'src/run.ts',
    from: 'ok: signal == null && code === 0',
    to: 'ok: signal != null || code !== 0',
    tests: ['test/process.test.ts'],
    named: 'one target ends with the code of its failure',
    built: true
  },
  {
    says: 'DUMP_SESSION_KEYS is left as it is',
    file: 'src/run.ts',
    from: 'delete process.env.DUMP_SESSION_KEYS',
    to: '',
    tests: ['test/secrets.test.ts'],
    named: 'a dial between two that have identities',
    built: true
  },
  {
    says: "relay: a circuit's limit of data is ignored",
    file: 'src/protocols/splice.ts',
    from: 'const over = data.byteLength > room',
    to: 'const over = data.byteLength > room + 1e9',
    tests: ['test/circuit.test.ts'],
    named: 'one byte more than the data limit'
  },
  {
    says: 'relay: one reservation more than is allowed of a host',
    file: 'src/protocols/reservations.ts',
    from: 'return others.length < rules.maxPerIp',
    to: 'return others.length <= rules.maxPerIp',
    tests: ['test/properties/models.test.ts'],
    named: 'reservations: whoever asks'
  },
  {
    says: 'YAML: a key may stand there twice',
    file: 'src/check/yaml.ts',
    from: 'if (before != null) {',
    to: 'if (false) {',
    tests: ['test/check-file.test.ts'],
    named: 'a key twice'
  },
  {
    says: 'a frame may be one byte longer than its limit',
    file: 'src/protocols/stream.ts',
    from: 'if (length > maxFrameBytes) throw',
    to: 'if (length > maxFrameBytes + 1) throw',
    tests: ['test/stream.test.ts'],
    named: 'a length above the limit'
  },
  {
    says: 'listen: whoever takes the last descriptor ends it',
    file: 'src/memory.ts',
    from: 'bare + heapUsed + arrayBuffers))\n    } catch {',
    to: 'bare + heapUsed + arrayBuffers))\n    } catch (error) {\n      throw error',
    tests: ['test/gate.test.ts'],
    named: 'where no descriptor is left to look at the memory'
  },
  {
    says: 'receiving: a name may have control characters',
    file: 'src/names.ts',
    from: "if (hidden.test(name)) return { wrong: 'the name has control characters' }",
    to: '',
    tests: ['test/inbox.test.ts'],
    named: 'a hostile name is refused'
  },
  {
    says: 'receiving: a link is followed where a file is meant',
    file: 'src/folder.ts',
    from: 'O_RDWR | O_NOFOLLOW | O_NONBLOCK',
    to: 'O_RDWR | O_NONBLOCK',
    tests: ['test/inbox.test.ts'],
    named: 'what is kept to go on with is not opened through a link'
  },
  {
    says: 'receiving: what nobody finished may be read by others',
    file: 'src/folder.ts',
    from: 'return await open(path, TO_MAKE, 0o600)',
    to: 'return await open(path, TO_MAKE, 0o644)',
    tests: ['test/received-files.test.ts'],
    named: 'until it is whole a file has a name that nobody could guess'
  },
  {
    says: 'receiving: a file has its name before it is on the disk',
    file: 'src/inbox.ts',
    from: 'await handle.sync()',
    to: '',
    tests: ['test/faults-syscalls.test.ts'],
    named: 'a received file is on the disk before',
    built: true
  },
  {
    says: 'keys: a new one may not be on the disk yet',
    file: 'src/keys.ts',
    from: 'await handle.sync()',
    to: '',
    tests: ['test/faults-syscalls.test.ts'],
    named: 'under key gen',
    built: true
  },
  {
    says: 'keys: the umask may take bits of the mode away',
    file: 'src/keys.ts',
    from: 'await handle.chmod(0o600)',
    to: '',
    tests: ['test/keys.test.ts'],
    named: 'a new key file has mode 0600 under any umask'
  },
  {
    says: 'dial: private addresses that a record names are dialed',
    file: 'src/resolve.ts',
    from: 'if (candidate.told && !search.allowPrivate && isPrivate(candidate.addr)) {',
    to: 'if (false) {',
    tests: ['test/limits-names.test.ts'],
    named: 'those in a TXT record are left out'
  },
  {
    says: 'dial: a dnsaddr that leads back to itself is looked up again',
    file: 'src/resolve.ts',
    from: 'if (search.seen.has(key)) {',
    to: 'if (false) {',
    tests: ['test/limits-names.test.ts'],
    named: 'loops of any length end'
  },
  {
    says: 'relay: a reservation that has expired is kept',
    file: 'src/protocols/reservations.ts',
    from: "setTimeout(() => close(slot, 'expired'),",
    to: 'setTimeout(() => {},',
    tests: ['test/limits-relay.test.ts'],
    named: 'limit --ttl: '
  },
  {
    says: 'relay: whoever may not use it may reserve',
    file: 'src/protocols/hop.ts',
    from: 'if (!connection.direct || !mayUse(peer, addr)) return refuse',
    to: 'if (!mayUse(peer, addr)) return refuse',
    tests: ['test/hop.test.ts'],
    named: 'a reservation over a circuit is denied'
  },
  {
    says: 'relay: anybody can be reached through it',
    file: 'src/protocols/hop.ts',
    from: 'if (!slots.has(dst) || target == null)',
    to: 'if (target == null)',
    tests: ['test/hop.test.ts'],
    named: 'a peer without a reservation cannot be reached'
  },
  {
    says: 'before a peer is known: bytes are not counted',
    file: 'src/gate.ts',
    from: 'guest.received += bytes',
    to: '',
    tests: ['test/limits-connections.test.ts'],
    named: 'limit bytes-before-auth: it counts for who comes through a relay too',
    built: true
  },
  {
    says: 'a host that asked for too many waits no longer the next time',
    file: 'src/penalties.ts',
    from: 'score.penaltyMs * 2)',
    to: 'score.penaltyMs)',
    tests: ['test/gate.test.ts'],
    named: 'limit penalty: an address gets none for so long'
  },
  {
    says: 'YAML: aliases may make anything of a file',
    file: 'src/check/yaml.ts',
    from: 'if (++nodes > MAX_NODES) throw',
    to: 'if (++nodes < 0) throw',
    tests: ['test/check-file.test.ts'],
    named: 'aliases that grow'
  },
  {
    says: 'YAML: a file of any length is read',
    file: 'src/files.ts',
    from: 'if (bytes > mostBytes) return null',
    to: '',
    tests: ['test/faults-disk.test.ts'],
    named: 'a check file without an end',
    built: true
  },
  {
    says: 'ping: a late answer is taken for the next one',
    file: 'src/protocols/ping.ts',
    from: 'from.unanswered.findIndex(({ payload }) => equals(payload, answer))',
    to: 'from.unanswered.findIndex(({ waiting }) => waiting)',
    tests: ['test/ping-fates.test.ts'],
    named: 'late: an answer after its time'
  },
  {
    says: 'a run that a signal ended does not say so',
    file: 'src/run.ts',
    from: 'if (end.summary.signal != null) return dieOf(',
    to: 'if (false) return dieOf(',
    tests: ['test/process.test.ts'],
    named: 'a run that would have ended by itself dies of ',
    built: true
  },
  {
    says: 'a reader that has gone is a failure with words',
    file: 'src/stdout.ts',
    from: "if (error.code === 'EPIPE') return 141",
    to: '',
    tests: ['test/streams.test.ts'],
    named: 'a stdout that was closed from the start',
    built: true
  },
  ...doubledLimits
]
