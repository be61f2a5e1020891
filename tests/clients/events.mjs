// A client that uses graphql-sse: a query, a mutation, and a subscription that resumes after the server was killed.
// Arguments: the URL of the GraphQL endpoint, an access token, the id of a chat. Prints what it receives as JSON objects,
// one per line, and ends with the message "last".
import { createClient } from "graphql-sse"

const [url, token, id] = process.argv.slice(2)
const print = (object) => console.log(JSON.stringify(object))
const client = createClient({
  url,
  headers: () => ({ authorization: `Bearer ${token}` }),
  retryAttempts: 100,
  retry: () => new Promise((resolve) => process.stdin.once("data", resolve)), // the test says when to reconnect
  on: { connected: (again) => print({ connected: again }) },
})

async function execute(query, variables) {
  for await (const result of client.iterate({ query, variables })) return result
}

const reply = `mutation($input: TicketReplyInput!) { ticketReply(input: $input) { message { sequence } userErrors { code } } }`
const send = (key) => execute(reply, { input: { ticketId: id, body: key, clientMessageId: key } })

// graphql-sse sends the variables again after each reconnection: the subscription resumes because `after` moves.
const variables = { id, after: 0 }
const events = `subscription($id: ID!, $after: BigInt) { ticketEvents(ticketId: $id, after: $after) {
  sequence message { clientMessageId } } }`

async function follow() {
  for await (const { data } of client.iterate({ query: events, variables })) {
    const { sequence, message } = data.ticketEvents
    variables.after = sequence
    print({ sequence, key: message?.clientMessageId })
    if (message?.clientMessageId === "meanwhile") print({ mutation: await send("last") })
    if (message?.clientMessageId === "last") return
  }
}

print({ query: await execute("query($id: ID!) { node(id: $id) { __typename id } }", { id }) })
print({ errors: (await execute("{ noSuchField }")).errors.map(({ message }) => message) })
const following = follow()
print({ mutation: await send("first") })
await following
client.dispose()
process.stdin.destroy()
