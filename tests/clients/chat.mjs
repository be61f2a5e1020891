// What a client does in a chat, through any library: a query, a mutation, and a subscription that resumes after the server
// was killed. Prints what it receives as JSON objects, one per line, and ends with the message "last".
// `client` has graphql-ws's and graphql-sse's interface; `errorsOf` returns the errors of an operation that can't be executed.
export const print = (object) => console.log(JSON.stringify(object))

const reply = `mutation($input: TicketReplyInput!) { ticketReply(input: $input) { message { sequence } userErrors { code } } }`
const events = `subscription($id: ID!, $after: BigInt) { ticketEvents(ticketId: $id, after: $after) {
  sequence message { clientMessageId } } }`

export async function chat(client, id, errorsOf) {
  async function execute(query, variables) {
    for await (const result of client.iterate({ query, variables })) return result
  }
  const send = (key) => execute(reply, { input: { ticketId: id, body: key, clientMessageId: key } })

  // The libraries send the variables again after each reconnection: the subscription resumes because `after` moves.
  const variables = { id, after: 0 }
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
  print({ errors: (await errorsOf(execute("{ noSuchField }"))).map(({ message }) => message) })
  const following = follow()
  print({ mutation: await send("first") })
  await following
}
