// `POST /orders` with `{"country": "DE", "carrier": "express"}` answers when the order arrives.
// With SENTRY_DSN set, crashes are reported there.

import * as Sentry from '@sentry/node'
import { createServer } from 'node:http'
import { promise } from './delivery.js'

const BODY_BYTES_MAX = 64 * 1024

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  release: process.env.SENTRY_RELEASE,
  environment: process.env.SENTRY_ENVIRONMENT ?? 'production',
  serverName: 'web-shop-1',
})

const server = createServer(async (request, response) => {
  try {
    if (request.method !== 'POST' || request.url !== '/orders') return answer(response, 404, { error: 'no such page' })
    const order = JSON.parse(await read(request))
    answer(response, 200, promise(order, new Date()))
  } catch (error) {
    Sentry.captureException(error)
    answer(response, 500, { error: 'something went wrong' })
  }
})

const at = process.argv.indexOf('--port')
server.listen(at > 0 ? Number(process.argv[at + 1]) : 8081, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`)
})

async function read(request) {
  const chunks = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > BODY_BYTES_MAX) throw new Error('the order is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function answer(response, status, data) {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(data))
}
