// What docs/prometheus ships, as the real Prometheus (Debian: prometheus, with promtool) takes it.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ping } from '@libp2p/ping'
import { parse, parseAllDocuments } from 'yaml'
import { readModules } from '../src/exporter/modules.ts'
import { root, start } from './helpers/cli.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { startRelay } from './helpers/relay.ts'

const missing = ['prometheus', 'promtool'].filter(name => spawnSync(name, ['--version']).error != null)
const skip = missing.length > 0 ? `not installed: ${missing.join(', ')} (Debian: prometheus)` : false
const folder = mkdtempSync(join(tmpdir(), 'p2pctl-prometheus-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const shipped = join(root, 'docs/prometheus')
const read = (name: string): string => readFileSync(join(shipped, name), 'utf8')
const dashboard = JSON.parse(read('dashboard.json'))

interface Sample {
  metric: Record<string, string>
  value: [number, string]
}

interface Prometheus extends AsyncDisposable {
  query(expr: string): Promise<Sample[]>
  api(path: string): Promise<unknown>
}

/** A copy of what is shipped, with the exporter at its place and seconds for minutes. */
function configure(exporter: string): void {
  const soon = (text: string): string =>
    text
      .replaceAll('127.0.0.1:9797', exporter)
      .replace(/scrape_timeout: \w+/g, 'scrape_timeout: 3s')
      .replace(/(scrape_interval|evaluation_interval): \w+/g, '$1: 3s')
      .replace(/for: \w+/g, 'for: 1s')
      .replaceAll('[10m]', '[30s]')
  for (const name of ['prometheus.yml', 'rules.yml']) writeFileSync(join(folder, name), soon(read(name)))
}

async function startPrometheus(): Promise<Prometheus> {
  const logged = join(folder, 'prometheus.log')
  const log = openSync(logged, 'w')
  const args = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'tsdb')}`,
    '--web.listen-address=127.0.0.1:0'
  ]
  const child: ChildProcess = spawn('prometheus', args, { stdio: ['ignore', log, log], timeout: 150_000 })
  const exited = once(child, 'exit')
  const port = await becomes(
    async () => {
      if (child.exitCode != null) assert.fail(readFileSync(logged, 'utf8'))
      return /msg="Listening on" address=127\.0\.0\.1:(\d+)/.exec(readFileSync(logged, 'utf8'))?.[1]
    },
    found => found != null
  )
  const api = async (path: string): Promise<unknown> => {
    if (child.exitCode != null) assert.fail(readFileSync(logged, 'utf8'))
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)
    const body = (await response.json()) as { status: string; error?: string; data: unknown }
    assert.equal(body.status, 'success', `${path}: ${body.error}`)
    return body.data
  }
  return {
    api,
    query: async expr => ((await api(`query?query=${encodeURIComponent(expr)}`)) as { result: Sample[] }).result,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
    }
  }
}

/** What is asked for, once it is so; the test's time bounds it. */
async function becomes<T>(ask: () => Promise<T>, fits: (found: T) => boolean): Promise<T> {
  for (;;) {
    const found = await ask()
    if (fits(found)) return found
    await pause(200)
  }
}

/** The metrics that an expression names. */
function metricsIn(expr: string): string[] {
  const bare = expr.replace(/\{[^}]*\}/g, '').replace(/\b(by|on|ignoring) \([^)]*\)/g, '')
  return bare.match(/\b(instance:|job:)?(p2p|p2pctl|process|nodejs)_[\w:]+/g) ?? []
}

function expressions(): string[] {
  const rules = (parse(read('rules.yml')).groups as { rules: { expr: string }[] }[]).flatMap(group => group.rules)
  const panels = (dashboard.panels as { targets: { expr: string }[] }[]).flatMap(panel => panel.targets)
  return [...rules, ...panels].map(({ expr }) => expr)
}

describe('with the real Prometheus', { skip, timeout: 180_000 }, () => {
  test('promtool finds nothing wrong with what is shipped', () => {
    execFileSync('promtool', ['check', 'config', join(shipped, 'prometheus.yml')], { stdio: 'pipe' })
    execFileSync('promtool', ['check', 'rules', join(shipped, 'rules.yml')], { stdio: 'pipe' })
  })

  test('it scrapes probes of real peers, and the alert fires when a peer dies', async () => {
    const peer = () => plainNode({ circuit: false, services: { ping: ping() } })
    await using steady = await peer()
    await using mortal = await peer()
    await using relay = await startRelay({ limitDurationMs: 120_000, limitDataBytes: 1 << 17 })
    const file = join(folder, 'modules.yaml')
    writeFileSync(file, 'allow: [127.0.0.0/8]\nnetworks: [127.0.0.0/8]\n')
    await using exporter = start(['exporter', '--modules', file, '--listen', '127.0.0.1:0', '--json'], {
      timeoutMs: 170_000
    })
    const { url } = await exporter.next('exporter.ready')
    const { host } = new URL(url)
    configure(host)
    const targets = (name: string, addrs: string[]): void => {
      mkdirSync(join(folder, name))
      writeFileSync(join(folder, name, 'some.json'), JSON.stringify([{ targets: addrs, labels: { network: 'test' } }]))
    }
    targets('targets', [addrOf(steady), addrOf(mortal)])
    targets('relays', [relay.addr])
    await using prometheus = await startPrometheus()

    // both peers by both modules, and the relay
    const all = await becomes(
      () => prometheus.query('p2p_probe_success == 1'),
      found => found.length === 5
    )
    const jobs = all.map(({ metric }) => `${metric.job} ${metric.instance}`).toSorted()
    const wanted = [steady, mortal].flatMap(one => [`p2p-dial ${addrOf(one)}`, `p2p-ping ${addrOf(one)}`])
    assert.deepEqual(jobs, [...wanted, `p2p-relay ${relay.addr}`].toSorted())
    assert.equal(all.find(({ metric }) => metric.instance === addrOf(mortal))?.metric.peer, mortal.peerId.toString())

    const dead = addrOf(mortal)
    await mortal.stop()
    const down = `ALERTS{alertname="P2PPeerDown",alertstate="firing"}`
    const fired = await becomes(
      () => prometheus.query(down),
      found => found.filter(({ metric }) => metric.instance === dead).length === 2
    )
    assert.deepEqual([...new Set(fired.map(({ metric }) => metric.severity))], ['critical'])
    const errors = await prometheus.query(`p2p_probe_error{instance="${dead}",job="p2p-dial"}`)
    assert.deepEqual(
      errors.map(({ metric }) => metric.code),
      ['connection_refused']
    )

    // what the rules and the panels ask for is there
    const names = await becomes(
      async () => new Set((await prometheus.api('label/__name__/values')) as string[]),
      found => found.has('instance:p2p_ping_rtt_seconds:p95_10m')
    )
    const asked = [...new Set(expressions().flatMap(metricsIn))]
    assert.ok(asked.length > 15)
    assert.deepEqual(
      asked.filter(name => !names.has(name)),
      []
    )
    for (const expr of expressions()) {
      const filled = expr.replaceAll('$__interval', '1m').replace(/\$(job|instance)\b/g, '.*')
      await prometheus.api(`query?query=${encodeURIComponent(filled)}`)
    }
    await exporter.stop()
  })
})

test('the dashboard has panels that do not lie over each other, each with a question', () => {
  const ids = new Set<number>()
  const taken = new Set<string>()
  for (const { id, title, type, targets, gridPos } of dashboard.panels) {
    assert.ok(title !== '' && type !== '' && targets.length > 0, title)
    assert.ok(!ids.has(id), `panel ${id} stands there twice`)
    ids.add(id)
    assert.ok(gridPos.x + gridPos.w <= 24, title)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(!taken.has(`${x},${y}`), `${title} lies over another panel`)
        taken.add(`${x},${y}`)
      }
    }
  }
  assert.ok(ids.size >= 10)
})

test('the Kubernetes manifest: what belongs together does, and the exporter starts as it says', async () => {
  const documents = parseAllDocuments(read('kubernetes.yaml'), { version: '1.1' })
  for (const { errors } of documents) assert.deepEqual(errors, [])
  // biome-ignore lint/suspicious/noExplicitAny: a manifest has as many shapes as kinds
  const all = documents.map(document => document.toJS() as any)
  assert.deepEqual(
    all.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`),
    ['v1 ConfigMap', 'apps/v1 Deployment', 'v1 Service', 'networking.k8s.io/v1 NetworkPolicy']
  )
  assert.deepEqual(new Set(all.map(({ metadata }) => `${metadata.namespace} ${metadata.name}`)).size, 1)
  const [config, deployment, service, policy] = all
  const { template, selector } = deployment.spec
  for (const chosen of [selector.matchLabels, service.spec.selector, policy.spec.podSelector.matchLabels]) {
    assert.deepEqual(chosen, template.metadata.labels)
  }
  const [container] = template.spec.containers
  const port = container.ports[0]
  for (const named of [
    service.spec.ports[0].targetPort,
    policy.spec.ingress[0].ports[0].port,
    container.livenessProbe.httpGet.port,
    container.readinessProbe.httpGet.port
  ]) {
    assert.equal(named, port.name)
  }
  assert.equal(container.volumeMounts[0].name, template.spec.volumes[0].name)
  assert.equal(template.spec.volumes[0].configMap.name, config.metadata.name)
  const [[name, content] = ['', '']] = Object.entries(config.data as Record<string, string>)
  assert.ok(readModules(name, content).hosts.includes(`${service.metadata.name}.${service.metadata.namespace}.svc`))
  const path = `${container.volumeMounts[0].mountPath}/${name}`
  assert.ok(container.args.includes(path))
  const own = join(folder, 'of-the-manifest.yaml')
  writeFileSync(own, content)
  const args = (container.args as string[]).map(arg =>
    arg === path ? own : arg.endsWith(`:${port.containerPort}`) ? '127.0.0.1:0' : arg
  )
  await using exporter = start([...args, '--json'])
  const { url } = await exporter.next('exporter.ready')
  for (const probe of [container.livenessProbe, container.readinessProbe]) {
    assert.equal((await fetch(new URL(probe.httpGet.path, url))).status, 200)
  }
})
