// Apollo Client 4 for CAMCHA: see docs/clients.md. Its dependencies are @apollo/client, rxjs, graphql and graphql-ws.
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache } from "@apollo/client"
import { SetContextLink } from "@apollo/client/link/context"
import { ErrorLink } from "@apollo/client/link/error"
import { GraphQLWsLink } from "@apollo/client/link/subscriptions"
import { createClient } from "graphql-ws"
import { from, switchMap } from "rxjs"
import { resuming } from "./resuming.js"

/**
 * `url` is the address of the GraphQL endpoint. `accessToken()` returns a promise of the current access token, `refresh()` one
 * that is fulfilled when there is a new one; concurrent calls share one request.
 */
export function createApolloClient({ url, accessToken, refresh }) {
  const socket = createClient({
    url: url.replace(/^http/, "ws"),
    connectionParams: async () => ({ authorization: `Bearer ${await accessToken()}` }),
    shouldRetry: () => true, // also when the server can't be reached
    retryAttempts: Infinity,
  })
  const withToken = new SetContextLink(async ({ headers }) => ({
    headers: { ...headers, authorization: `Bearer ${await accessToken()}` },
  }))
  // Nothing was executed for a field that needs a session, so the operation is repeated with the new token, once.
  const renewed = new ErrorLink(({ error, operation, forward }) => {
    if (!CombinedGraphQLErrors.is(error)) return
    if (!error.errors.some(({ extensions }) => extensions?.code === "UNAUTHENTICATED")) return
    return from(refresh()).pipe(switchMap(() => forward(operation)))
  })
  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === "subscription",
      new GraphQLWsLink(resuming(socket)),
      ApolloLink.from([renewed, withToken, new HttpLink({ uri: url })]),
    ),
    cache: new InMemoryCache(),
  })
}
