import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { resultOf } from '../src/flow.ts'
import { sendItem } from '../src/protocols/send.ts'
import { failureOf } from './helpers/collect.ts'
import { identifyMessage, says } from './helpers/identify.ts'
import { openPages } from './helpers/page.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { topicNode } from './helpers/topics.ts'

const WS = ['/ip4/127.0.0.1/tcp/0/ws']

/** A peer that answers identify by hand. */
async function identifiedBy(answer: (stream: Stream) => void) {
  const node = await plainNode({ identify: false, listen: WS })
  await node.handle('/ipfs/id/1.0.0', answer)
  return node
}

describe('a page is not moved by', () => {
  test('a peer that says more of itself than anybody reads', async () => {
    await using pages = await openPages({ relay: null })
    const page = await pages.open()
    const thousand = identifyMessage(Array.from({ length: 1000 }, (_, at) => [3, `/${at}`] as [number, string]))
    const agent = `<img src=x onerror=alert(1)>\u202e${'x'.repeat(8000)}`
    const parts = [identifyMessage([[6, agent]]), ...Array.from({ length: 9 }, () => thousand)]

    await using talker = await identifiedBy(says(...parts))
    await page.call('connect', addrOf(talker))
    const said = await page.next('peer.identify')
    assert.deepEqual([said.agent_version, said.protocols.length, said.protocols_total], [agent, 256, 9000])

    await using endless = await identifiedBy(says(...parts, ...parts))
    await page.call('connect', addrOf(endless))
    assert.equal((await page.next('error')).code, 'identify_failed')
  })

  test('more messages of a topic than anybody reads: it says how many are lost', async () => {
    await using pages = await openPages({ relay: null, config: { topics: ['flood'] } })
    const page = await pages.open()
    await using flooder = await topicNode({}, WS)
    await page.call('connect', addrOf(flooder))
    await flooder.subscribers('flood', 1)
    const count = 1000
    for (let at = 0; at < count; at++) await flooder.publish('flood', `message ${at}`)
    const { messages, bytes } = await page.next('pubsub.drop')
    assert.ok(messages > 0 && bytes > messages)
    const shown = (await page.said('message.received')).length
    assert.ok(shown > 0 && shown < count, String(shown))
  })

  test('a file without an end, or with a name that leads elsewhere', async () => {
    await using pages = await openPages({ relay: null })
    const page = await pages.open()
    await using sender = await plainNode({ listen: WS })
    await page.call('connect', addrOf(sender))
    const [connection] = sender.getConnections()
    const sent = async (name: string) => {
      const source = (async function* () {
        for (;;) yield new Uint8Array(1 << 18)
      })()
      const item = { kind: 'file', name, size: null, source } as const
      const { code } = await failureOf(resultOf(sendItem(connection!, item, new AbortController().signal)))
      return [code, (await page.next('file.refused')).reason]
    }
    assert.deepEqual(await sent('../there'), ['receiver_refused', 'the name leads elsewhere'])
    assert.deepEqual(await sent('endless'), ['too_large', 'it was larger or other than what was offered'])
  })
})
