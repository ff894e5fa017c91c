// A gem server that asks for codes in the words of RubyGems: an account with MFA for API use.
import http from 'node:http'
import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { Codes } from './codes.mjs'
import { body, controlled, listening } from './control.mjs'

const KEY = 'rubygems_0123456789abcdef'

const SAYS = {
  missing: [401, 'You have enabled multifactor authentication but no OTP code provided. Please fill it and retry.'],
  wrong: [401, 'Your OTP code is incorrect. Please check it and retry.'],
  limited: [429, 'Retry later\n'],
}

// The metadata of a `.gem`, which is a tar with `metadata.gz` in it.
function metadata(gem) {
  for (let at = 0; at + 512 <= gem.length;) {
    const name = gem.toString('latin1', at, at + 100).replace(/\0.*$/s, '')
    const size = parseInt(gem.toString('latin1', at + 124, at + 136), 8) || 0
    if (name === 'metadata.gz') return gunzipSync(gem.subarray(at + 512, at + 512 + size)).toString()
    at += 512 + Math.ceil(size / 512) * 512
  }
  throw new Error('not a gem')
}

function named(gem) {
  const text = metadata(gem)
  return { name: text.match(/^name: (.+)$/m)[1], version: text.match(/^version: .*\n {2}version: '?([^'\n]+)'?$/m)[1] }
}

controlled(async ({ uri }) => {
  const codes = new Codes(uri)
  const url = await listening(http.createServer(async (request, response) => {
    const content = await body(request)
    const say = (status, text) => response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text)
    if (request.method !== 'POST' || request.url !== '/api/v1/gems') return say(404, 'This page could not be found')
    if (request.headers.authorization !== KEY) return say(401, 'Access Denied. Please sign up for an account at https://rubygems.org')
    const { name, version } = named(content)
    const verdict = codes.check(`${name} ${version} ${createHash('sha256').update(content).digest('hex')}`, request.headers.otp)
    return verdict === 'ok' ? say(200, `Successfully registered gem: ${name} (${version})`) : say(...SAYS[verdict])
  }))
  return { report: { url, key: KEY }, codes }
})
