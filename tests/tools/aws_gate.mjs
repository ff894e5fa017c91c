// AWS's token service as a user with an MFA device meets it: moto, which takes any code, behind a gate that wants a good one.
import http from 'node:http'
import { Codes } from './codes.mjs'
import { body, controlled, listening, pass } from './control.mjs'

const GUARDED = ['GetSessionToken', 'AssumeRole']

const SAYS = {
  missing: [403, 'AccessDenied', 'MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.'],
  wrong: [403, 'AccessDenied', 'MultiFactorAuthentication failed with invalid MFA one time pass code. '],
  limited: [400, 'Throttling', 'Rate exceeded'],
}

controlled(async ({ uri, upstream }) => {
  const codes = new Codes(uri)
  const url = await listening(http.createServer(async (request, response) => {
    const content = await body(request)
    const form = new URLSearchParams(content.toString())
    if (GUARDED.includes(form.get('Action'))) {
      const verdict = codes.check(`${form.get('Action')} ${form.get('SerialNumber')}`, form.get('TokenCode'))
      if (verdict !== 'ok') {
        const [status, code, text] = SAYS[verdict]
        return response.writeHead(status, { 'content-type': 'text/xml' }).end(
          `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code>` +
          `<Message>${text}</Message></Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>`)
      }
    }
    return pass(http, upstream, request, content, response)
  }))
  return { report: { url }, codes }
})
