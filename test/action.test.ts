// The GitHub action and the examples under docs/ci: their scripts run here as a runner runs them, against a real peer. What
// cannot run here is GitHub itself, with the actions of others that set Node up and upload the report.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { root, start } from './helpers/cli.ts'
import { closedPort } from './helpers/raw-server.ts'
import { blocksOf, lacks, openShell } from './helpers/shell.ts'

interface Step {
  name?: string
  id?: string
  uses?: string
  run?: string
  shell?: string
  if?: string
  env?: Record<string, string>
  with?: Record<string, string>
}

interface Action {
  inputs: Record<string, { description: string; required?: boolean; default?: string }>
  outputs: Record<string, { description: string; value: string }>
  runs: { using: string; steps: Step[] }
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const action: Action = parse(read('action/action.yml'))
const { steps } = action.runs
const shell = openShell()
const { folder } = shell

/** What a step says where it says `${{ inputs.NAME }}` and nothing else. */
function filled(text: string, inputs: Record<string, string>): string {
  const [, name] = /^\$\{\{ inputs\.([\w-]+) \}\}$/.exec(text) ?? []
  assert.ok(name != null && name in action.inputs, `${text} is no input alone`)
  return inputs[name] ?? action.inputs[name]!.default ?? ''
}

let runs = 0

/** Runs the scripts of the action as a runner does, up to the first that fails, or those of these names. */
async function runAction(inputs: Record<string, string>, names?: string[], env: Record<string, string> = {}) {
  const temp = join(folder, `runner-${++runs}`)
  mkdirSync(temp)
  const files = { GITHUB_PATH: 'path', GITHUB_OUTPUT: 'output', GITHUB_STEP_SUMMARY: 'summary' }
  const paths = Object.fromEntries(Object.entries(files).map(([name, file]) => [name, join(temp, file)]))
  for (const path of Object.values(paths)) writeFileSync(path, '')
  const text = (name: keyof typeof files): string => readFileSync(paths[name]!, 'utf8')
  const runner = { GITHUB_ACTION_PATH: join(root, 'action'), RUNNER_TEMP: temp, ...paths }
  let last = { code: 0 as number | null, stdout: '', stderr: '' }
  for (const step of steps) {
    if (step.run == null || (names != null && !names.includes(step.name!))) continue
    const script = join(temp, 'script.sh')
    writeFileSync(script, step.run)
    const own = Object.fromEntries(Object.entries(step.env ?? {}).map(([name, value]) => [name, filled(value, inputs)]))
    const PATH = [...text('GITHUB_PATH').trim().split('\n'), env.PATH ?? `${folder}:${process.env.PATH}`].join(':')
    // as it is written in GitHub's documentation for `shell: bash`
    assert.equal(step.shell, 'bash')
    const bash: [string, ...string[]] = ['bash', '--noprofile', '--norc', '-eo', 'pipefail']
    last = await shell.run(script, { shell: bash, env: { ...env, ...runner, ...own, PATH } })
    if (last.code !== 0) break
  }
  return { ...last, output: text('GITHUB_OUTPUT'), summary: text('GITHUB_STEP_SUMMARY'), temp }
}

describe('the GitHub action', { timeout: 120_000 }, () => {
  let peer: ReturnType<typeof start>
  let addr = ''
  before(async () => {
    peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'], { timeoutMs: 120_000 })
    addr = (await peer.next('listen.ready')).addrs[0]!
  })
  after(() => peer.stop())

  test('a check that holds: a report, a summary, exit 0', async () => {
    const checks = ['checks:', '  - dial: ${ADDR}', '    expect: { agent: "/^${WHO}\\\\//" }']
    writeFileSync(join(folder, 'checks.yaml'), checks.join('\n').replace('${WHO}', 'p2pctl'))
    const vars = `ADDR=${addr}\n`
    const done = await runAction({ targets: 'checks.yaml', vars, report: 'holds.xml' }, ['Check'])
    assert.equal(done.code, 0, done.stderr)
    assert.equal(done.output, 'exit-code=0\n')
    assert.match(done.summary, /^### p2pctl check: 2 passed, 0 failed, 0 skipped/)
    assert.match(readFileSync(join(folder, 'holds.xml'), 'utf8'), /tests="2" failures="0"/)
  })

  test('one that does not: an annotation at its line, and the step fails as p2pctl does', async () => {
    const closed = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    writeFileSync(join(folder, 'closed.yaml'), `checks:\n  - name: old\n    dial: ${closed}\n`)
    const done = await runAction({ targets: 'closed.yaml', report: 'closed.xml' }, ['Check'])
    assert.equal(done.code, 1)
    assert.equal(done.output, 'exit-code=1\n')
    assert.match(done.stdout, /^::error file=closed\.yaml,line=2,col=5,title=old::.*connection_refused/m)
    assert.match(readFileSync(join(folder, 'closed.xml'), 'utf8'), /failures="1"/)
    writeFileSync(join(folder, 'wrong.yaml'), 'checks: 5\n')
    const wrong = await runAction({ targets: 'wrong.yaml', report: 'wrong.xml' }, ['Check'])
    assert.deepEqual([wrong.code, wrong.output], [2, 'exit-code=2\n'])
  })

  test('addresses and options come one a line', async () => {
    const done = await runAction({ targets: `${addr}\n\n${addr}`, args: '--deadline\n50s\n--report\njson=two.json' }, [
      'Check'
    ])
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.summary, /: 2 passed, 0 failed/)
    assert.equal(JSON.parse(readFileSync(join(folder, 'two.json'), 'utf8')).checks.length, 2)
  })

  test('nothing that an input says is a part of the script, or an option where a target should be', async () => {
    const evil = ['$(touch pwned)', '`touch pwned`', '"; touch pwned; "', "'; touch pwned; '", '--report=json=pwned']
    for (const text of evil) {
      for (const name of ['targets', 'vars', 'args', 'report']) {
        const done = await runAction({ targets: addr, report: 'evil.xml', [name]: text }, ['Check'])
        const taken = name === 'report' || (name === 'args' && text.startsWith('--'))
        if (!taken) assert.equal(done.code, 2, `${name}: ${text}\n${done.stdout}${done.stderr}`)
      }
      if (text.startsWith('--')) {
        rmSync(join(folder, 'pwned'))
        await runAction({ targets: text, report: 'evil.xml' }, ['Check'])
      }
      assert.throws(() => readFileSync(join(folder, 'pwned')), { code: 'ENOENT' }, text)
    }
    for (const { run = '' } of steps) assert.doesNotMatch(run, /\$\{\{/)
  })

  test('it installs p2pctl from npm and from its checkout, for the steps after it too', async () => {
    const file = execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8'
    })
    // the dependencies are there already, and so is the build
    const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim()
    const shim = join(folder, 'shim')
    mkdirSync(shim)
    const words = `echo "$@" >> '${shim}/log'\n[ "$1" = ci ] || exec '${npm}' "$@"`
    writeFileSync(join(shim, 'npm'), `#!/bin/sh\n${words}\n`, { mode: 0o755 })
    symlinkSync(process.execPath, join(shim, 'node'))
    // without the p2pctl of these tests: it is the installed one that runs
    const env = { PATH: `${shim}:${process.env.PATH}`, npm_config_offline: 'true' }
    for (const version of [`file:${join(folder, file.trim())}`, 'checkout']) {
      const done = await runAction({ version, targets: addr, report: 'installed.xml' }, undefined, env)
      assert.equal(done.code, 0, `${done.stdout}${done.stderr}`)
      assert.match(done.summary, /: 1 passed, 0 failed/)
      const installed = join(done.temp, 'p2pctl/lib/node_modules/p2pctl/package.json')
      assert.equal(JSON.parse(readFileSync(installed, 'utf8')).name, 'p2pctl')
    }
    const log = (): string => readFileSync(join(shim, 'log'), 'utf8')
    assert.match(log(), /^ci /m)
    // unless told it is the version beside the action, which is not to be had offline
    await runAction({ targets: addr }, ['Install p2pctl'], env)
    assert.ok(log().endsWith(` p2pctl@${JSON.parse(read('package.json')).version}\n`), log())
  })

  test('what it uses of others is pinned to a commit, and the report is uploaded whatever came', () => {
    const used = steps.flatMap(({ uses }) => uses ?? [])
    assert.deepEqual(
      used.map(one => one.split('@')[0]),
      ['actions/setup-node', 'actions/upload-artifact']
    )
    const lines = [...read('action/action.yml').matchAll(/uses: (.*)/g), ...read(workflow).matchAll(/uses: (.*)/g)]
    assert.equal(lines.length, 4)
    for (const [, line] of lines)
      assert.match(line!, /^(actions\/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|OWNER\/p2pctl\/action@v\d+\.\d+\.\d+)$/)
    assert.match(steps.at(-1)!.if!, /always\(\)/)
  })

  test('its page names every input and output, and the workflow gives it none but those', () => {
    const page = read('action/README.md')
    for (const name of Object.keys({ ...action.inputs, ...action.outputs }))
      assert.ok(page.includes(`\`${name}\``), name)
    const example = parse(read(workflow))
    const given = Object.keys(example.jobs.check.steps.at(-1).with)
    assert.deepEqual(
      given.filter(name => !(name in action.inputs)),
      []
    )
    assert.deepEqual(parse(blocksOf(page, 'yaml')[0]!), example.jobs.check.steps)
  })
})

const workflow = 'docs/ci/github-actions.yml'
const gitlab = 'docs/ci/gitlab-ci.yml'

test('the script of the GitLab example: what it installs is what is here, and it writes the report', async () => {
  await using peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  const [, , , , port] = (await peer.next('listen.ready')).addrs[0]!.split('/')
  const { bootnodes: job } = parse(read(gitlab))
  const { version } = JSON.parse(read('package.json'))
  const [install, ...script] = job.script as string[]
  assert.equal(install, `npm install --global p2pctl@${version}`)
  writeFileSync(join(folder, 'checks.yaml'), `checks:\n  - dial: /dns4/\${HOST}/tcp/${port}\n`)
  const { code, stderr } = await shell.run(script.join('\n'), {
    env: { ...job.variables, HOST: 'localhost' },
    shell: ['/bin/sh', '-ec']
  })
  assert.equal(code, 0, stderr)
  const report = readFileSync(join(folder, job.artifacts.reports.junit), 'utf8')
  assert.match(report, /tests="1" failures="0"/)
})

describe('linters', () => {
  const lint = (program: string, ...args: string[]): void => {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: 'utf8' })
    assert.equal(status, 0, `${stdout}${stderr}`)
  }

  test('shellcheck, of every script', { skip: lacks('shellcheck') }, () => {
    const scripts = [...steps.flatMap(({ run }) => run ?? []), parse(read(gitlab)).bootnodes.script.join('\n')]
    assert.equal(scripts.length, 3)
    for (const script of scripts) {
      const { status, stdout } = spawnSync('shellcheck', ['--shell=bash', '-'], {
        input: `set -e\n${script}`,
        encoding: 'utf8'
      })
      assert.equal(status, 0, stdout)
    }
  })

  test('yamllint', { skip: lacks('yamllint') }, () => lint('yamllint', '--strict', 'action', 'docs/ci'))

  test('actionlint', { skip: lacks('actionlint') }, () => lint('actionlint', workflow))

  test('the schemas of GitHub and GitLab', { skip: lacks('check-jsonschema') }, () => {
    lint('check-jsonschema', '--builtin-schema', 'vendor.github-actions', 'action/action.yml')
    lint('check-jsonschema', '--builtin-schema', 'vendor.github-workflows', workflow)
    lint('check-jsonschema', '--builtin-schema', 'vendor.gitlab-ci', '--data-transform', 'gitlab-ci', gitlab)
  })
})
