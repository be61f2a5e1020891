// urql for CAMCHA: see docs/clients.md. Its dependencies are @urql/core and graphql-ws.
import { Client, fetchExchange, subscriptionExchange } from "@urql/core"
import { createClient } from "graphql-ws"
import { resuming } from "./resuming.js"

/** `url` is the address of the GraphQL endpoint. `accessToken()` returns a promise of the current access token. */
export function createUrqlClient({ url, accessToken }) {
  const socket = resuming(
    createClient({
      url: url.replace(/^http/, "ws"),
      connectionParams: async () => ({ authorization: `Bearer ${await accessToken()}` }),
      shouldRetry: () => true, // also when the server can't be reached
      retryAttempts: Infinity,
    }),
  )
  return new Client({
    url,
    preferGetMethod: false, // by default it sends queries by GET, with their variables in the address
    fetch: async (address, { headers, ...options }) =>
      fetch(address, { ...options, headers: { ...headers, authorization: `Bearer ${await accessToken()}` } }),
    exchanges: [
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables, operationName }) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables, operationName }, sink) }),
        }),
      }),
    ],
  })
}
