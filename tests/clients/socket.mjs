// A user of graphql-ws: a query, a mutation, and a subscription that goes on where it stopped when the server was gone.
// Arguments: the graph's address (ws://), a token, a chat. Prints each thing seen as one JSON object; ends at message "last".
import { createClient } from "graphql-ws"
import WebSocket from "ws"

const [url, token, id] = process.argv.slice(2)
const tell = (seen) => console.log(JSON.stringify(seen))
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  lazy: false,
  connectionParams: { authorization: `Bearer ${token}` },
  retryAttempts: 100,
  retryWait: () => new Promise((resolve) => process.stdin.once("data", resolve)), // the test says when to come back
  shouldRetry: () => true,
  on: { connected: () => tell({ connected: true }), closed: ({ code }) => tell({ closed: code }) },
})

async function once(query, variables) {
  for await (const result of client.iterate({ query, variables })) return result
}

const reply = `mutation($input: TicketReplyInput!) { ticketReply(input: $input) { message { sequence } userErrors { code } } }`
const say = (key) => once(reply, { input: { ticketId: id, body: key, clientMessageId: key } })

// graphql-ws sends the payload anew after each reconnection: moving `after` makes it resume.
const variables = { id, after: 0 }
const events = `subscription($id: ID!, $after: BigInt) { ticketEvents(ticketId: $id, after: $after) {
  sequence message { clientMessageId } } }`

async function follow() {
  for await (const { data } of client.iterate({ query: events, variables })) {
    const { sequence, message } = data.ticketEvents
    variables.after = sequence
    tell({ sequence, key: message?.clientMessageId })
    if (message?.clientMessageId === "meanwhile") tell({ mutation: await say("last") })
    if (message?.clientMessageId === "last") return
  }
}

tell({ query: await once("query($id: ID!) { node(id: $id) { __typename id } }", { id }) })
tell({ refused: await once("{ nothingOfThatName }").catch((errors) => errors.map(({ message }) => message)) })
const followed = follow()
tell({ mutation: await say("first") })
await followed
await client.dispose()
process.stdin.destroy()
