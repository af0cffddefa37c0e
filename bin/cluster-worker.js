#!/usr/bin/env node
// Parses on every Node.js since 12, as a script and as a module, so that an old one gets a sentence
// and no syntax error. All the rest is in main.ts.

const oldest = '22.19'
const exitMisconfigured = 78

if (isNewEnough(process.versions.node, oldest)) {
  void run()
} else {
  process.stderr.write(
    `cluster-worker needs Node.js ${oldest} or newer, and ${process.execPath} is ${process.versions.node}: install a newer one (https://nodejs.org) or put it first on the PATH.\n`,
  )
  process.exitCode = exitMisconfigured
}

function isNewEnough(version, needed) {
  const [major, minor] = version.split('.').map(Number)
  const [neededMajor, neededMinor] = needed.split('.').map(Number)
  return major > neededMajor || (major === neededMajor && minor >= neededMinor)
}

// The source in a clone, the built file in an installed package, which has no source.
async function run() {
  const { main } = await import('./main.ts').catch(function (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || !error.url.endsWith('/bin/main.ts')) throw error
    return import('../dist/bin/main.js')
  })
  await main(process.argv.slice(2))
}
