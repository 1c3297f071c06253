import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, test } from 'node:test'
import { bin, cleanEnv, root } from './helpers/cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-recipes-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const missing = ['bats', 'jq'].filter(name => spawnSync(name, ['--version']).status !== 0)

test('the recipes of the README do what stands below them', {
  skip: missing.length > 0 && `${missing.join(' and ')} missing`
}, async () => {
  writeFileSync(join(folder, 'p2pctl'), `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`, { mode: 0o755 })
  const env = cleanEnv({ PATH: `${folder}${delimiter}${process.env.PATH}` })
  const { code, stdout } = await new Promise<{ code: number | null; stdout: string }>(resolve => {
    const args = ['--tap', join(root, 'test/recipes.bats')]
    const child = execFile('bats', args, { cwd: folder, env, timeout: 110_000 }, (_, out, err) =>
      resolve({ code: child.exitCode, stdout: `${out}${err}` })
    )
  })
  assert.equal(code, 0, stdout)
  assert.match(stdout, /^ok \d+ every recipe has a test$/m)
})
