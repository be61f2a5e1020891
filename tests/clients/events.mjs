// A client that uses graphql-sse. Arguments: the URL of the GraphQL endpoint, an access token, the id of a chat.
import { createClient } from "graphql-sse"
import { chat, print } from "./chat.mjs"

const [url, token, id] = process.argv.slice(2)
const client = createClient({
  url,
  headers: () => ({ authorization: `Bearer ${token}` }),
  retryAttempts: 100,
  retry: () => new Promise((resolve) => process.stdin.once("data", resolve)), // the test says when to reconnect
  on: { connected: (again) => print({ connected: again }) },
})
await chat(client, id, async (result) => (await result).errors)
client.dispose()
process.stdin.destroy()
