// How a test drives a server: the setting is the first line of standard input, then each line is a change of plan and is answered by one line. Nobody but
// the test has that pipe, and the server ends with it.
import { createInterface } from 'node:readline'

// Calls `start` with the setting; it gives what to report, the codes, and what else it can tell about `look: ...`.
export async function controlled(start) {
  const lines = createInterface({ input: process.stdin })
  let running
  let answers = 0
  for await (const line of lines) {
    const told = JSON.parse(line)
    if (running === undefined) {
      running = await start(told)
      console.log(`ready ${JSON.stringify(running.report)}`)
    } else {
      answers += 1
      const { look, ...plan } = told
      const found = look === undefined ? {} : await running.look(look)
      console.log(`answer ${answers} ${JSON.stringify({ ...running.codes.tell(plan), ...found })}`)
    }
  }
  process.exit(0)
}

// Listens on a free port of 127.0.0.1; gives the URL.
export function listening(server) {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`))
  })
}

// All of a request's body.
export async function body(request) {
  const parts = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

// Passes a request whose body was read on to `upstream` and its answer back. `Host` stays, so that links in the answer lead here.
export async function pass(http, upstream, request, content, response) {
  const { hostname, port } = new URL(upstream)
  const { method, url: path, headers } = request
  const onward = http.request({ hostname, port, method, path, headers }, answer => {
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
  })
  onward.on('error', error => response.writeHead(502).end(String(error)))
  onward.end(content)
}
