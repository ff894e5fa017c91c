// Writes down what the release tools say when a one-time code is missing, wrong, fine, or asked for too often (429):
//
//     cd target/tools && node_modules/node-linux-*/bin/node ../../tests/tools/record.mjs [TOOL...]
//
// gives ci-client/tests/fixtures/outputs/TOOL/CASE.txt. Folders, ports and the like are made the same each time; nothing else is changed.
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const { generateSync } = createRequire(`${process.cwd()}/`)('otplib')
const here = path.dirname(fileURLToPath(import.meta.url))
const modules = path.resolve('node_modules')
const python = path.resolve('python/bin')
const outputs = path.resolve(here, '../../ci-client/tests/fixtures/outputs')
if (Number(process.versions.node.split('.')[0]) < 22) throw new Error('the tools want Node 22: run this with that of target/tools')
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'record-'))
const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
const uri = `otpauth://totp/ACME:release?secret=${secret}&issuer=ACME`

const bin = script => [process.execPath, path.join(modules, script)]

// A server of this folder and what it reports.
async function server(file, setting) {
  const [command, ...args] = file.endsWith('.py') ? [`${python}/python`, path.join(here, file)] : [process.execPath, path.join(here, file)]
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const tell = async told => {
    child.stdin.write(`${JSON.stringify(told)}\n`)
    for (;;) {
      // Verdaccio logs there too.
      const answer = (await lines.next()).value.match(/^(?:ready|answer \d+) (.*)$/)
      if (answer) return JSON.parse(answer[1])
    }
  }
  return { ...await tell(setting), tell, stop: () => child.kill() }
}

// The `npm` that other tools call.
const shims = path.join(scratch, 'bin')
fs.mkdirSync(shims)
fs.symlinkSync(path.join(modules, 'npm-11/bin/npm-cli.js'), path.join(shims, 'npm'))

let made = 0
function folder(files) {
  const at = path.join(scratch, `project-${made += 1}`)
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(at, name)), { recursive: true })
    fs.writeFileSync(path.join(at, name), typeof content === 'string' ? content : JSON.stringify(content, null, 2))
  }
  return at
}

function git(at, ...args) {
  const done = spawnSync('git', ['-c', 'user.name=Alice', '-c', 'user.email=alice@example.org', ...args], { cwd: at, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`git ${args}: ${done.stderr}`)
}

function repository(at) {
  git(at, 'init', '-q', '-b', 'main')
  git(at, 'add', '-A')
  git(at, 'commit', '-q', '-m', 'feat: first')
  return at
}

const npmrc = ({ url, token }) => `registry=${url}/\n//${new URL(url).host}/:_authToken=${token}\nfetch-retry-mintimeout=1\nfetch-retry-maxtimeout=1\n`
const widget = name => ({ name: `widget-${name}`, version: '1.0.0', license: 'MIT' })
const pinned = name => JSON.parse(fs.readFileSync(path.join(modules, name, 'package.json'))).version

// The folder of a package whose tool is run by `args`; `{code}` in them is the code.
const simple = (command, args, env = {}) => (gate, name) =>
  ({ at: folder({ 'package.json': widget(name), '.npmrc': npmrc(gate) }), command, args, env })

const npmTools = {}
for (const major of [10, 11, 12]) {
  const npm = bin(`npm-${major}/bin/npm-cli.js`)
  npmTools[`npm-${major}`] = { version: pinned(`npm-${major}`), env: code => ({ NPM_CONFIG_OTP: code }), run: simple(npm, ['publish']) }
  npmTools[`npm-${major}-json`] = { version: pinned(`npm-${major}`), env: code => ({ NPM_CONFIG_OTP: code }), run: simple(npm, ['publish', '--json']) }
}
for (const major of [10, 11, 12]) {
  const script = { 10: 'bin/pnpm.cjs', 11: 'bin/pnpm.mjs', 12: 'bin/pnpm.mjs' }[major]
  npmTools[`pnpm-${major}`] = {
    version: pinned(`pnpm-${major}`),
    env: code => ({ PNPM_CONFIG_OTP: code, NPM_CONFIG_OTP: code }),
    run: simple(bin(`pnpm-${major}/${script}`), ['publish', '--no-git-checks']),
  }
}
npmTools['yarn-1'] = {
  version: pinned('yarn-1'),
  args: code => ['--otp', code],
  run: (gate, name) => simple(bin('yarn-1/bin/yarn.js'), ['publish', '--non-interactive', '--new-version', '1.0.0', '--registry', `${gate.url}/`])(gate, name),
}
npmTools['yarn-4'] = {
  version: pinned('yarn-4'),
  args: code => ['--otp', code],
  run: (gate, name) => ({
    prepare: ['install', '--no-immutable'],
    at: folder({
      'package.json': widget(name),
      'yarn.lock': '',
      '.yarnrc.yml': `npmRegistryServer: "${gate.url}"\nnpmPublishRegistry: "${gate.url}"\nunsafeHttpWhitelist: ["127.0.0.1"]\nnpmAuthToken: "${gate.token}"\nenableTelemetry: false\n`,
    }),
    command: bin('yarn-4/bin/yarn.js'),
    args: ['npm', 'publish'],
    env: {},
  }),
}
npmTools.lerna = {
  shown: 'lerna',
  version: pinned('lerna'),
  env: code => ({ NPM_CONFIG_OTP: code }),
  run: (gate, name) => ({
    at: repository(folder({
      'package.json': { name: 'root', private: true, workspaces: ['packages/*'] },
      'lerna.json': { version: 'independent', packages: ['packages/*'], npmClient: 'npm' },
      'packages/widget/package.json': widget(name),
      '.npmrc': npmrc(gate),
    })),
    command: bin('lerna/dist/cli.js'),
    args: ['publish', 'from-package', '--yes', '--no-git-reset'],
    env: { NX_DAEMON: 'false' },
  }),
}
npmTools.changesets = {
  shown: 'changeset',
  version: pinned('@changesets/cli'),
  env: code => ({ NPM_CONFIG_OTP: code }),
  run: (gate, name) => ({
    at: repository(folder({
      'package.json': widget(name),
      'package-lock.json': { name: `widget-${name}`, version: '1.0.0', lockfileVersion: 3, requires: true, packages: { '': widget(name) } },
      '.changeset/config.json': { access: 'public', baseBranch: 'main' },
      '.npmrc': npmrc(gate),
    })),
    command: bin('@changesets/cli/bin.js'),
    args: ['publish'],
    env: {},
  }),
}
npmTools['semantic-release'] = {
  version: pinned('semantic-release'),
  env: code => ({ NPM_CONFIG_OTP: code }),
  run: (gate, name) => {
    const at = repository(folder({
      'package.json': { name: `widget-${name}`, version: '0.0.0', license: 'MIT' },
      'release.config.cjs': "module.exports = { branches: ['main'], plugins: ['@semantic-release/commit-analyzer', '@semantic-release/npm'] }\n",
      '.npmrc': npmrc(gate),
    }))
    const remote = folder({ 'description': '' })
    git(remote, 'init', '-q', '--bare', '-b', 'main', 'remote.git')
    git(at, 'remote', 'add', 'origin', `file://${remote}/remote.git`)
    git(at, 'push', '-q', 'origin', 'main')
    return {
      at,
      command: bin('semantic-release/bin/semantic-release.js'),
      args: ['--no-ci', '--repository-url', `file://${remote}/remote.git`],
      env: { NPM_TOKEN: gate.token, NPM_CONFIG_REGISTRY: `${gate.url}/` },
    }
  },
}

const gemspec = `Gem::Specification.new do |s|
  s.name = 'widget'
  s.version = '1.0.0'
  s.summary = 'A widget'
  s.authors = ['Alice']
  s.files = []
end
`
const gem = {
  version: () => `rubygems ${spawnSync('gem', ['--version'], { encoding: 'utf8' }).stdout.trim()}`,
  env: code => ({ GEM_HOST_OTP_CODE: code }),
  run: (gate, name) => {
    const at = folder({ 'widget.gemspec': gemspec })
    spawnSync('gem', ['build', 'widget.gemspec', '--silent'], { cwd: at })
    return { at, command: ['gem'], args: ['push', 'widget-1.0.0.gem', '--host', gate.url], env: { GEM_HOST_API_KEY: gate.key } }
  },
}

const aws = {
  version: () => spawnSync(`${python}/aws`, ['--version'], { encoding: 'utf8' }).stdout.split(' ')[0].replace('/', ' '),
  args: code => ['--token-code', code],
  run: gate => ({
    at: folder({ empty: '' }),
    command: [`${python}/aws`],
    args: ['sts', 'get-session-token', '--serial-number', 'arn:aws:iam::123456789012:mfa/alice', '--endpoint-url', gate.url],
    env: { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'example', AWS_DEFAULT_REGION: 'us-east-1', AWS_MAX_ATTEMPTS: '1' },
  }),
}

let clock = 0
const code = () => generateSync({ secret, epoch: Math.floor(Date.now() / 1000) - 30 * (clock = (clock + 1) % 2) })
const CASES = {
  missing: { plan: {}, code: () => undefined },
  wrong: { plan: { refuse: 1 }, code: () => '000000' },
  limited: { plan: { limit: 20 }, code },
  fine: { plan: { reuse: true }, code },
}

function same(text, gate, at, home, given) {
  let clean = text
  const replace = (from, to) => { if (from) clean = clean.split(from).join(to) }
  replace(given, '000000')
  replace(gate.url, 'http://127.0.0.1:4873')
  replace(new URL(gate.url).host, '127.0.0.1:4873')
  replace(gate.token, 'TOKEN')
  replace(home, '/home/alice')
  replace(at, '/project')
  replace(scratch, '/tmp')
  replace(modules, '/tools')
  return `${clean.replace(/\d{4}-\d\d-\d\dT[\d_]+Z/g, '2026-01-01T00_00_00_000Z').trimEnd()}\n`
}

async function record(name, tool, gate) {
  const version = typeof tool.version === 'function' ? tool.version() : `${name.replace(/-(json|\d).*/, '')} ${tool.version}`
  for (const [kind, { plan, code: make }] of Object.entries(CASES)) {
    const { at, command, args, env, prepare } = tool.run(gate, name)
    await gate.tell({ refuse: 0, limit: 0, late: 0, reuse: false, ...plan })
    const given = make()
    const all = [...command.slice(1), ...args, ...(given && tool.args ? tool.args(given) : [])]
    const home = folder({ '.gitconfig': '[user]\nname = Alice\nemail = alice@example.org\n' })
    const surroundings = { PATH: `${shims}:${path.dirname(process.execPath)}:${process.env.PATH}`, HOME: home, CI: 'true', ...env }
    if (prepare) spawnSync(command[0], [...command.slice(1), ...prepare], { cwd: at, env: surroundings })
    const child = spawn(command[0], all, {
      cwd: at,
      env: { ...surroundings, ...(given && tool.env ? tool.env(given) : {}) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const text = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr']) child[stream].setEncoding('utf8').on('data', part => { text[stream] += part })
    const limit = setTimeout(() => child.kill(), 90_000)
    const [exit, signal] = await once(child, 'close')
    clearTimeout(limit)
    await gate.tell({ limit: 0, refuse: 0 })
    const shown = [tool.shown ?? path.basename(command.at(-1)).replace(/(-cli)?\.[cm]?js$/, ''), ...args].join(' ')
    fs.mkdirSync(path.join(outputs, name), { recursive: true })
    const out = same(`# ${version}: ${shown} (${kind})\nexit: ${exit ?? signal}\n--- stdout\n${text.stdout}\n--- stderr\n${text.stderr}`, gate, at, home, given)
    fs.writeFileSync(path.join(outputs, name, `${kind}.txt`), out)
    console.error(`${name} ${kind}: exit ${exit ?? signal}`)
  }
}

const wanted = process.argv.slice(2)
const chosen = Object.entries(npmTools).filter(([name]) => wanted.length === 0 || wanted.includes(name))
try {
  if (chosen.length > 0) {
    const gate = await server('npm_gate.mjs', { storage: fs.mkdtempSync(path.join(scratch, 'registry-')), uri })
    for (const [name, tool] of chosen) await record(name, tool, gate)
    gate.stop()
  }
  if (wanted.length === 0 || wanted.includes('gem')) {
    const gate = await server('gem_server.mjs', { uri })
    await record('gem', gem, gate)
    gate.stop()
  }
  if (wanted.length === 0 || wanted.includes('aws')) {
    const moto = await server('moto_server.py', {})
    const gate = await server('aws_gate.mjs', { uri, upstream: moto.url })
    await record('aws', aws, gate)
    gate.stop()
    moto.stop()
  }
} finally {
  fs.rmSync(scratch, { recursive: true, force: true })
}
