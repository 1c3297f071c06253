#!/usr/bin/env node
// Plain JavaScript that an old Node can parse too: it has to run before we know which Node this is.
var wanted = [22, 12]
var have = process.versions.node.split('.').map(Number)

if (have[0] > wanted[0] || (have[0] === wanted[0] && have[1] >= wanted[1])) {
  // compiled code is kept between runs, which makes the next start faster
  process.getBuiltinModule('node:module').enableCompileCache()
  import('../dist/cli.js')
    .then(cli => cli.main(process.argv.slice(2)))
    .catch(error => {
      // what the system refuses, as a descriptor to read our own code by, is no bug
      process.stderr.write(`p2pctl: cannot start: ${error.message}\n`)
      process.exitCode = typeof error.syscall === 'string' ? 3 : 70
    })
} else {
  process.stderr.write(
    'p2pctl: needs Node.js ' +
      wanted.join('.') +
      ' or newer, and this is ' +
      process.versions.node +
      ' (' +
      process.execPath +
      '); ' +
      'get one at nodejs.org, or run: npx --package=node@24 --package=p2pctl -- p2pctl\n'
  )
  process.exitCode = 3
}
