// Apollo Client and urql, set up as in docs/clients: each makes a query, then follows a ticket, and answers the message "after".
// Arguments: the URL of the GraphQL endpoint, an access token, the refresh token of the session, and for each library the id of
// a ticket. Prints every event and everything that fails as a JSON object, one per line.
import { gql } from "@apollo/client"
import WebSocket from "ws"
import { createApolloClient } from "../../docs/clients/apollo.js"
import { createUrqlClient } from "../../docs/clients/urql.js"

globalThis.WebSocket = WebSocket // Node has its own from version 22 on
const [url, accessToken, refreshToken, ...tickets] = process.argv.slice(2)
const tokens = { accessToken, refreshToken }
const print = (object) => console.log(JSON.stringify(object))

const VIEWER = "query Viewer { viewer { user { name } } }"
const EVENTS = `subscription Events($ticketId: ID!, $after: BigInt!) {
  ticketEvents(ticketId: $ticketId, after: $after) { sequence message { clientMessageId } } }`
const REPLY = `mutation Reply($input: TicketReplyInput!) { ticketReply(input: $input) {
  message { sequence } userErrors { code } } }`

let renewal = null
function refresh() {
  return (renewal ??= exchange().finally(() => (renewal = null)))
}

async function exchange() {
  const query = `mutation($input: SessionRefreshInput!) { sessionRefresh(input: $input) {
    session { accessToken refreshToken } userErrors { code } } }`
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables: { input: { refreshToken: tokens.refreshToken } } }),
  })
  const { session, userErrors } = (await response.json()).data.sessionRefresh
  print({ refreshed: userErrors.length === 0 })
  Object.assign(tokens, session)
}

async function follow(client, ticketId, query, subscribe, reply) {
  const fail = (error) => print({ client, failed: String(error?.cause ?? error) })
  try {
    print({ client, user: (await query()).data.viewer.user.name })
  } catch (error) {
    fail(error)
  }
  subscribe({ ticketId, after: 0 }, async ({ data, error }) => {
    if (error || !data) return fail(error)
    const { sequence, message } = data.ticketEvents
    print({ client, sequence, key: message?.clientMessageId ?? null })
    if (message?.clientMessageId !== "after") return
    const input = { ticketId, body: "Merci", clientMessageId: "thanks" }
    print({ client, reply: (await reply({ input })).data.ticketReply })
  }, fail, () => fail("completed"))
}

const options = { url, accessToken: async () => tokens.accessToken, refresh }
const apollo = createApolloClient(options)
await follow(
  "apollo",
  tickets[0],
  async () => (await Promise.all([1, 2].map((n) => apollo.query({ query: gql(VIEWER), variables: { n }, fetchPolicy: "network-only" }))))[1],
  (variables, next, error, complete) => apollo.subscribe({ query: gql(EVENTS), variables }).subscribe({ next, error, complete }),
  (variables) => apollo.mutate({ mutation: gql(REPLY), variables }),
)
const urql = createUrqlClient(options)
await follow(
  "urql",
  tickets[1],
  () => urql.query(VIEWER, {}).toPromise(),
  (variables, next) => urql.subscription(EVENTS, variables).subscribe(next),
  (variables) => urql.mutation(REPLY, variables).toPromise(),
)
