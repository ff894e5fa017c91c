// npm's registry as an account with 2FA for writes meets it: Verdaccio behind a gate that wants a one-time code for each write.
import http from 'node:http'
import { createRequire } from 'node:module'
import { Codes } from './codes.mjs'
import { body, controlled, listening, pass } from './control.mjs'

const { runServer } = createRequire(`${process.cwd()}/`)('verdaccio')

// The account; its password is of no use to anybody else, Verdaccio ends with the test.
const USER = { name: 'alice', password: 'correct horse battery' }

// What npm's registry says, as far as its clients show: status, headers and body decide what they do.
const CHALLENGE = { 'www-authenticate': 'OTP', 'content-type': 'application/json' }
const SAYS = {
  missing: [401, CHALLENGE, { error: 'You must provide a one-time pass. Upgrade your client to npm@latest in order to use 2FA.' }],
  wrong: [401, CHALLENGE, { error: 'This operation requires a one-time password from your authenticator.' }],
  limited: [429, { 'content-type': 'application/json' }, { error: 'Could not publish, as user undefined: rate limited exceeded' }],
}

// A write that npm guards by a code: not logging in, not asking for advisories.
function guarded({ method, url }) {
  return ['PUT', 'POST', 'DELETE'].includes(method) && !/^\/-\/(user\/|v1\/login|npm\/v1\/security\/)/.test(url)
}

// `@scope/name` of a request for a package.
function packageName(url) {
  const path = decodeURIComponent(new URL(url, 'http://localhost').pathname).slice(1)
  return path.match(/^(-\/package\/)?((@[^/]+\/)?[^/]+)/)?.[2] ?? path
}

async function verdaccio(storage) {
  const config = {
    storage: `${storage}/packages`,
    uplinks: {},
    packages: { '**': { access: '$all', publish: '$authenticated', unpublish: '$authenticated' } },
    auth: { htpasswd: { file: `${storage}/htpasswd`, max_users: 1 } },
    log: { type: 'stderr', format: 'pretty', level: 'warn' },
    max_body_size: '100mb',
    web: { enable: false },
    self_path: `${storage}/config.yaml`,
    configPath: `${storage}/config.yaml`,
  }
  const url = await listening(await runServer(config))
  const made = await fetch(`${url}/-/user/org.couchdb.user:${USER.name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(USER),
  })
  if (made.status !== 201) throw new Error(`no user: ${made.status} ${await made.text()}`)
  return { url, token: (await made.json()).token }
}

controlled(async ({ storage, uri }) => {
  const codes = new Codes(uri)
  const { url: upstream, token } = await verdaccio(storage)
  const url = await listening(http.createServer(async (request, response) => {
    const content = await body(request)
    if (guarded(request)) {
      const verdict = codes.check(packageName(request.url), request.headers['npm-otp'])
      if (verdict !== 'ok') {
        const [status, headers, said] = SAYS[verdict]
        return response.writeHead(status, headers).end(JSON.stringify(said))
      }
    }
    if (request.url === '/-/npm/v1/user' && request.method === 'GET') {
      // Verdaccio knows no 2FA; lerna and changesets ask whether the account has it.
      const answer = await fetch(upstream + request.url, { headers: { authorization: request.headers.authorization ?? '' } })
      const profile = await answer.json()
      return response.writeHead(answer.status, { 'content-type': 'application/json' })
        .end(JSON.stringify(answer.ok ? { ...profile, tfa: { pending: false, mode: 'auth-and-writes' } } : profile))
    }
    return pass(http, upstream, request, content, response)
  }))
  const look = async name => {
    const answer = await fetch(`${upstream}/${encodeURIComponent(name)}`)
    if (![200, 404].includes(answer.status)) throw new Error(`${name}: ${answer.status}`)
    return { versions: answer.ok ? Object.keys((await answer.json()).versions) : [] }
  }
  return { report: { url, token }, codes, look }
})
