// A client that uses graphql-ws. Arguments: the URL of the GraphQL endpoint (ws://), an access token, the id of a chat.
import { createClient } from "graphql-ws"
import WebSocket from "ws"
import { chat, print } from "./chat.mjs"

const [url, token, id] = process.argv.slice(2)
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  lazy: false,
  connectionParams: { authorization: `Bearer ${token}` },
  retryAttempts: 100,
  retryWait: () => new Promise((resolve) => process.stdin.once("data", resolve)), // the test says when to reconnect
  shouldRetry: () => true,
  on: { connected: () => print({ connected: true }), closed: ({ code }) => print({ closed: code }) },
})
await chat(client, id, (result) => result.catch((errors) => errors))
await client.dispose()
process.stdin.destroy()
