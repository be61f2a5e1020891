// A client that uses graphql-ws: it subscribes to chats, and reconnects by itself only, for longer than by default,
// because a server takes minutes to start again on a busy machine.
// Arguments: the URL of the GraphQL endpoint (ws://) and an access token. Reads the ids of chats, one per line, and
// prints every event and every end of a subscription as a JSON object, one per line.
import { createInterface } from "node:readline"
import { createClient } from "graphql-ws"
import WebSocket from "ws"

const [url, token] = process.argv.slice(2)
const print = (object) => console.log(JSON.stringify(object))
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  retryAttempts: 1_000,
  shouldRetry: () => true, // also when the server can't be reached
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 500 + 500 * Math.random())),
  connectionParams: { authorization: `Bearer ${token}` },
  on: { connected: () => print({ connected: true }), closed: ({ code }) => print({ closed: code }) },
})
const query = `subscription($id: ID!, $after: BigInt) { ticketEvents(ticketId: $id, after: $after) {
  sequence message { clientMessageId author { name } } } }`

function follow(id) {
  const variables = { id, after: 0 } // sent again after each reconnection
  client.subscribe(
    { query, variables },
    {
      next: (result) => {
        const event = result.data?.ticketEvents
        if (result.errors || !event) return print({ id, errors: result.errors })
        variables.after = event.sequence
        print({ id, sequence: event.sequence, key: event.message?.clientMessageId ?? null })
      },
      error: (error) => print({ id, failed: error.code ?? error.map?.(({ message }) => message) ?? String(error) }),
      complete: () => print({ id, completed: true }),
    },
  )
}

for await (const id of createInterface({ input: process.stdin })) follow(id)
